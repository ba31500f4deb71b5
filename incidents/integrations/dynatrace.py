"""Dynatrace's problem notifications, sent by a custom webhook.

https://docs.dynatrace.com/docs/analyze-explore-automate/notifications-and-alerting/problem-notifications/webhook-integration

A problem that was MERGED into another is resolved: no message about it comes any more, and the
other one has an incident of its own.
"""

from collections.abc import Mapping
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    Severity,
    action_of,
    fit_dedup_key,
    lines,
    one_line,
    severity_of,
    slug,
)
from incidents.integrations.events_api import Link, clean_links
from incidents.integrations.reading import (
    child,
    children,
    decode_object,
    epoch_ms_time,
    filled,
    text,
    unclear,
)

SEVERITIES: Final[dict[str, Severity]] = {
    "availability": "critical",
    "error": "error",
    "performance": "warning",
    "resource_contention": "warning",
    "monitoring_unavailable": "warning",
    "custom_alert": "warning",
}
DETAILS: Final = ("ProblemDetailsJSON", "ProblemDetailsJSONv2", "ProblemDetails")


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload."""
    data = decode_object(body)
    problem: dict[str, Any] = next((p for n in DETAILS if (p := child(data, n))), {})
    title = filled(data, "ProblemTitle") or text(problem, "title")
    key = fit_dedup_key(filled(data, "ProblemID", "PID") or text(problem, "displayId", "id", "ID"))
    if not key and not title:
        raise unclear("ProblemID", "Send the problem's ProblemID, or at least its ProblemTitle.")
    action = _action(filled(data, "State") or text(problem, "status"))
    moment = problem.get("endTime" if action == "resolve" else "startTime")
    url = filled(data, "ProblemURL", "Problem URL")
    return [
        Event(
            action=action,
            dedup_key=key or f"dynatrace-{slug(title)}",
            summary=one_line(title or f"Problem {key}", MAX_SUMMARY),
            source=one_line(_source(data), MAX_SOURCE),
            severity=_severity(data, problem),
            description=lines(filled(data, "ProblemDetailsText", "ProblemDetailsMarkdown")),
            details=data,
            links=clean_links([Link(href=url, text="Dynatrace")]),
            occurred_at=epoch_ms_time(moment) or epoch_ms_time(problem.get("startTime")),
        )
    ]


def _action(state: str) -> Action:
    return "resolve" if state.lower() == "merged" else action_of(state, "trigger")


def _severity(data: dict[str, Any], problem: dict[str, Any]) -> Severity:
    """How bad it is; the impact only says which layer is hit."""
    word = filled(data, "ProblemSeverity", "SeverityLevel") or text(problem, "severityLevel")
    word = word or filled(data, "ProblemImpact")
    return SEVERITIES.get(word.lower()) or severity_of(word, "warning")


def _source(data: dict[str, Any]) -> str:
    names = [text(entity, "name", "entity") for entity in children(data, "ImpactedEntities")]
    named = ", ".join(name for name in names if name)
    return named or filled(data, "ImpactedEntityNames", "ImpactedEntity")
