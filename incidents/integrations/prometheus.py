"""Prometheus Alertmanager, webhook of version 4: one event per alert of the group.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from incidents.intake.decoding import decode
from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Event,
    InvalidPayload,
    fit_dedup_key,
    lines,
    one_line,
    parse_time,
    severity_of,
)
from incidents.integrations.events_api import Link, clean_links


class AlertBody(msgspec.Struct):
    status: str | None = None
    labels: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None
    startsAt: str | None = None
    endsAt: str | None = None
    generatorURL: str | None = None
    fingerprint: str | None = None


# More than genuine alerts fit into the largest body; a body of empty ones would be 300,000 rows.
MAX_ALERTS = 5000


class Group(msgspec.Struct):
    alerts: Annotated[list[AlertBody], msgspec.Meta(max_length=MAX_ALERTS)]
    status: str | None = None
    externalURL: str | None = None
    receiver: str | None = None


_decoder = msgspec.json.Decoder(Group)


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event per alert; raises InvalidPayload when there is none."""
    group = decode(body, _decoder)
    if not group.alerts:
        message = "Send at least one alert."
        raise InvalidPayload(message, fields={"alerts": [message]})
    return [_event(alert, group) for alert in group.alerts]


def _event(alert: AlertBody, group: Group) -> Event:
    labels = {str(k): str(v) for k, v in (alert.labels or {}).items()}
    notes = {str(k): str(v) for k, v in (alert.annotations or {}).items()}
    name = labels.get("alertname", "")
    summary = notes.get("summary") or notes.get("description") or name or "Alert without a name"
    resolved = (alert.status or group.status or "firing").lower() == "resolved"
    moment = alert.endsAt if resolved else alert.startsAt
    links = [Link(href=alert.generatorURL or "", text="Graph")]
    links.append(Link(href=notes.get("runbook_url", ""), text="Runbook"))
    links.append(Link(href=group.externalURL or "", text="Alertmanager"))
    return Event(
        action="resolve" if resolved else "trigger",
        dedup_key=_key(alert, labels),
        summary=one_line(summary, MAX_SUMMARY),
        source=one_line(labels.get("instance") or labels.get("job") or name, MAX_SOURCE),
        severity=severity_of(labels.get("severity"), "warning"),
        description=lines(notes.get("description", "")),
        details={"labels": labels, "annotations": notes},
        links=clean_links(links),
        occurred_at=parse_time(moment),
    )


def _key(alert: AlertBody, labels: dict[str, str]) -> str:
    """The fingerprint, else a hash of the labels: both stay the same when the text changes."""
    if alert.fingerprint:
        return fit_dedup_key(alert.fingerprint)
    text = "\x1f".join(f"{k}={labels[k]}" for k in sorted(labels))
    return "prometheus-" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
