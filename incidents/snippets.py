"""Ready-to-paste set-up of each kind of integration."""

from dataclasses import dataclass

from incidents.models import Integration


@dataclass(frozen=True)
class Snippet:
    """One block to copy."""

    title: str
    text: str
    language: str  # "sh", "yaml" or "text"


def address_of(integration: Integration, base: str) -> str:
    """The URL that goes into the monitoring system."""
    match integration.kind:
        case Integration.Kind.EVENTS:
            return f"{base}/api/events"
        case Integration.Kind.PAGERDUTY:
            return f"{base}/v2/enqueue"
        case _:
            return f"{base}/api/integrations/{integration.kind}/{integration.key}"


def snippets_of(integration: Integration, base: str) -> list[Snippet]:
    """What to paste where, with the real address and key filled in."""
    url = address_of(integration, base)
    match integration.kind:
        case Integration.Kind.PROMETHEUS:
            return [_alertmanager_webhook(url), _curl_prometheus(url)]
        case Integration.Kind.PAGERDUTY:
            return [
                _curl_pagerduty(url, integration.key),
                _alertmanager_pagerduty(url, integration.key),
            ]
        case Integration.Kind.WEBHOOK:
            return [_curl_webhook(url)]
        case Integration.Kind.EVENTS:
            return [
                _curl_events(url, integration.key, "trigger"),
                _curl_events(url, integration.key, "resolve"),
            ]
        case _:
            return [
                Snippet(f"The webhook's address in {integration.get_kind_display()}", url, "text"),
                _curl_file(url),
            ]


def _curl_events(url: str, key: str, action: str) -> Snippet:
    payload = (
        ',\n       "payload": {"summary": "Disk full on db-1", "source": "db-1", '
        '"severity": "critical"}'
        if action == "trigger"
        else ""
    )
    text = f"""curl -X POST {url} \\
  -H 'Authorization: Token token={key}' \\
  -H 'Content-Type: application/json' \\
  -d '{{"event_action": "{action}", "dedup_key": "disk-db-1"{payload}}}'"""
    return Snippet(f"curl: {action}", text, "sh")


def _curl_pagerduty(url: str, key: str) -> Snippet:
    text = f"""curl -X POST {url} \\
  -H 'Content-Type: application/json' \\
  -d '{{"routing_key": "{key}", "event_action": "trigger", "dedup_key": "disk-db-1",
       "payload": {{"summary": "Disk full on db-1", "source": "db-1", "severity": "critical"}}}}'"""
    return Snippet("curl: trigger", text, "sh")


def _curl_file(url: str) -> Snippet:
    text = f"""curl -X POST {url} \\
  -H 'Content-Type: application/json' \\
  -d @alert.json"""
    return Snippet("curl: a message saved from the vendor", text, "sh")


def _curl_webhook(url: str) -> Snippet:
    text = f"""curl -X POST {url} \\
  -H 'Content-Type: application/json' \\
  -d '{{"title": "Disk full on db-1", "severity": "critical", "id": "disk-db-1",
       "status": "triggered"}}'"""
    return Snippet("curl: trigger", text, "sh")


def _curl_prometheus(url: str) -> Snippet:
    text = f"""curl -X POST {url} \\
  -H 'Content-Type: application/json' \\
  -d '{{"version": "4", "status": "firing", "alerts": [{{"status": "firing",
       "labels": {{"alertname": "DiskFull", "instance": "db-1", "severity": "critical"}},
       "annotations": {{"summary": "Disk full on db-1"}}}}]}}'"""
    return Snippet("curl: one firing alert", text, "sh")


def _alertmanager_webhook(url: str) -> Snippet:
    text = f"""route:
  receiver: opsknight
receivers:
  - name: opsknight
    webhook_configs:
      - url: {url}
        send_resolved: true"""
    return Snippet("alertmanager.yml", text, "yaml")


def _alertmanager_pagerduty(url: str, key: str) -> Snippet:
    text = f"""route:
  receiver: opsknight
receivers:
  - name: opsknight
    pagerduty_configs:
      - url: {url}
        routing_key: {key}
        send_resolved: true"""
    return Snippet("alertmanager.yml, with pagerduty_configs", text, "yaml")
