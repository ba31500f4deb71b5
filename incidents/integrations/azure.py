"""Azure Monitor: the common alert schema, and the bodies from before it.

https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-non-common-schema-definitions
https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-webhooks (classic metric alerts)
https://learn.microsoft.com/azure/azure-monitor/autoscale/autoscale-webhook-email

Alerts on service health and resource health only ever say "Fired": whether things are well
again is in alertContext.properties, and each message has an alertId of its own.
"""

from collections.abc import Mapping
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    Severity,
    Unsupported,
    fit_dedup_key,
    lines,
    one_line,
    parse_time,
)
from incidents.integrations.events_api import Link, clean_links
from incidents.integrations.reading import (
    child,
    children,
    decode_object,
    digest,
    text,
    unclear,
)

SEVERITIES: Final[dict[str, Severity]] = {
    **dict.fromkeys(["sev0", "0", "critical"], "critical"),
    **dict.fromkeys(["sev1", "1", "error"], "error"),
    **dict.fromkeys(["sev2", "2", "warning"], "warning"),
    **dict.fromkeys(["sev3", "3", "sev4", "4"], "info"),
    **dict.fromkeys(["informational", "information", "info", "verbose"], "info"),
}  # fmt: skip
OVER: Final = frozenset({"resolved", "deactivated"})
# Stages of a service health event after which nothing is left to do.
SERVICE_OVER: Final = frozenset({"resolved", "complete", "completed", "canceled", "rca"})
SCALED: Final = frozenset({"scale in", "scale out"})


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload, or Unsupported for autoscale and planned maintenance."""
    data = decode_object(body)
    if text(data, "operation").lower() in SCALED:
        raise Unsupported("Autoscaling is no alert; nothing was opened.")
    inner = child(data, "data") or data
    if essentials := child(inner, "essentials"):
        return [_common(essentials, child(inner, "alertContext"), data)]
    if context := child(inner, "context"):
        activity = child(context, "activityLog")
        return [_activity(activity, inner) if activity else _classic(context, inner, data)]
    if name := text(inner, "AlertRuleName", "BudgetName"):
        return [_named(name, inner)]
    raise unclear("data", "Neither data.essentials nor a context was found.")


def _common(essentials: dict[str, Any], context: dict[str, Any], data: dict[str, Any]) -> Event:
    """The common alert schema."""
    rule = text(essentials, "alertRule")
    targets = _targets(essentials)
    source = _source(essentials, targets)
    action = _action(text(essentials, "monitorCondition"))
    key = text(essentials, "alertId") or "-".join(p for p in (rule.lower(), *targets) if p)
    properties = child(context, "properties")
    service = text(essentials, "monitoringService", "monitorService").lower()
    if service == "servicehealth" and text(properties, "trackingId"):
        key, action = text(properties, "trackingId"), _service_health(properties)
    elif service in ("resource health", "resourcehealth") and targets:
        key = "-".join(("health", *targets))
        health = text(properties, "currentHealthStatus", "currentAvailabilityState").lower()
        action = "resolve" if health == "available" else action
    if not key:
        raise unclear("data.essentials.alertId", "The alert has neither an alertId nor a rule.")
    fired, over = essentials.get("firedDateTime"), essentials.get("resolvedDateTime")
    return Event(
        action=action,
        dedup_key=fit_dedup_key(f"azure-{key}"),
        summary=_summary(rule or text(properties, "title"), source),
        source=source,
        severity=SEVERITIES.get(text(essentials, "severity").lower(), "warning"),
        description=lines(text(essentials, "description")),
        details=data,
        links=_links(essentials),
        occurred_at=parse_time(over if action == "resolve" else fired) or parse_time(fired),
    )


def _service_health(properties: dict[str, Any]) -> Action:
    stage = text(properties, "stage").lower()
    if stage == "planned" or text(properties, "incidentType").lower() == "maintenance":
        raise Unsupported("Planned maintenance is no alert; nothing was opened.")
    return "resolve" if stage in SERVICE_OVER else "trigger"


def _classic(context: dict[str, Any], inner: dict[str, Any], data: dict[str, Any]) -> Event:
    """Classic metric alerts, and metric alerts of schema AzureMonitorMetricAlert."""
    rule, resource = text(context, "id").lower(), text(context, "resourceId").lower()
    if not rule and not resource and not text(context, "name"):
        raise unclear("context.id", "The alert has neither an id nor a name.")
    # Azure's ids do not distinguish case, and its messages do not keep it.
    identity = [rule or text(context, "name").lower(), resource, *_dimensions(context)]
    source = one_line(text(context, "resourceName") or _last(resource), MAX_SOURCE)
    return Event(
        action=_action(text(inner, "status")),
        dedup_key=f"azure-{digest(*identity)}",
        summary=_summary(text(context, "name") or _last(rule), source),
        source=source,
        severity=SEVERITIES.get(text(context, "severity").lower(), "warning"),
        description=lines(text(context, "description")),
        details=data,
        links=_links(context),
        occurred_at=parse_time(context.get("timestamp")),
    )


def _activity(activity: dict[str, Any], inner: dict[str, Any]) -> Event:
    """Activity log alerts of schema Microsoft.Insights/activityLogs."""
    operation = text(activity, "operationName")
    resource = text(activity, "resourceId").lower()
    key = digest(operation.lower(), resource) if operation or resource else ""
    action = _action(text(inner, "status"))
    properties = child(activity, "properties")
    if text(properties, "trackingId"):
        key, action = text(properties, "trackingId"), _service_health(properties)
    if not key:
        raise unclear("data.context.activityLog", "The entry names neither operation nor resource.")
    source = one_line(_last(resource), MAX_SOURCE)
    return Event(
        action=action,
        dedup_key=fit_dedup_key(f"azure-{key}"),
        summary=_summary(text(properties, "title") or operation, source),
        source=source,
        severity=SEVERITIES.get(text(activity, "level").lower(), "warning"),
        description=lines(text(activity, "description")),
        details=inner,
        occurred_at=parse_time(activity.get("eventTimestamp")),
    )


def _named(name: str, inner: dict[str, Any]) -> Event:
    """Log search alerts and budgets from before the common schema: they never say resolved."""
    owner = text(inner, "WorkspaceId", "SubscriptionId", "SubscriptionName")
    return Event(
        action="trigger",
        dedup_key=f"azure-{digest(owner.lower(), name.lower())}",
        summary=_summary(name, ""),
        source=one_line(text(inner, "ResourceId", "WorkspaceId", "ResourceGroup"), MAX_SOURCE),
        severity=SEVERITIES.get(text(inner, "Severity").lower(), "warning"),
        description=lines(text(inner, "Description")),
        details=inner,
        links=clean_links([Link(href=text(inner, "LinkToSearchResults"), text="Search results")]),
        occurred_at=parse_time(inner.get("SearchIntervalEndtimeUtc")),
    )


def _action(condition: str) -> Action:
    return "resolve" if condition.lower() in OVER else "trigger"


def _targets(essentials: dict[str, Any]) -> list[str]:
    value = essentials.get("alertTargetIDs")
    return sorted(t.lower() for t in value if isinstance(t, str)) if isinstance(value, list) else []


def _source(essentials: dict[str, Any], targets: list[str]) -> str:
    items = essentials.get("configurationItems")
    names = [i for i in items if isinstance(i, str) and i] if isinstance(items, list) else []
    return one_line(", ".join(names or [_last(target) for target in targets]), MAX_SOURCE)


def _dimensions(context: dict[str, Any]) -> list[str]:
    """Which of the rule's time series this is: their incidents are apart."""
    found = {
        f"{text(dimension, 'name')}={text(dimension, 'value')}".lower()
        for criterion in children(child(context, "condition"), "allOf")
        for dimension in children(criterion, "dimensions")
    }
    return sorted(found)


def _summary(name: str, source: str) -> str:
    name = name or "Azure Monitor alert"
    return one_line(f"{name} on {source}" if source else name, MAX_SUMMARY)


def _links(data: dict[str, Any]) -> list[dict[str, str]]:
    names = {"portalLink": "Azure portal", "investigationLink": "Investigation"}
    return clean_links([Link(href=text(data, n), text=label) for n, label in names.items()])


def _last(resource: str) -> str:
    return resource.rstrip("/").rpartition("/")[2]
