"""GitLab project and group webhooks.

https://docs.gitlab.com/user/project/integrations/webhook_events/

Pipelines, jobs and deployments that fail open, and those that succeed close, per branch or
environment: the next good pipeline of a branch closes what the bad one opened. Incidents and
alerts follow their own state. Ordinary issues, merge requests and pushes open nothing.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    Severity,
    Unsupported,
    lines,
    one_line,
    parse_time,
    severity_of,
)
from incidents.integrations.reading import child, decode_object, key_of, links_to, text, unclear

OUTCOMES: Final[dict[str, Action]] = {"failed": "trigger", "success": "resolve"}
# A pipeline that waits for a person has passed every step that runs by itself.
PIPELINE_OUTCOMES: Final[dict[str, Action]] = OUTCOMES | {"passed": "resolve", "manual": "resolve"}
INCIDENT_ACTIONS: Final[dict[str, Action]] = {
    "open": "trigger",
    "reopen": "trigger",
    "close": "resolve",
}
ALERT_STATES: Final[dict[str, Action]] = {
    "triggered": "trigger",
    "acknowledged": "acknowledge",
    "ignored": "acknowledge",
    "resolved": "resolve",
}
# These run beside the branch's own pipelines, whose success says nothing about them.
SEPARATE_SOURCES: Final = frozenset({"schedule", "parent_pipeline"})
_OFFSET = re.compile(r" ?(UTC|[+-]\d{4})$")


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload, Unsupported for what is no alert."""
    message = decode_object(body)
    kind = text(message, "object_kind").lower()
    if not kind and text(message, "event_name", "event_type"):
        raise Unsupported("This event of GitLab is no alert; nothing was opened.")
    if not kind:
        raise unclear("object_kind", "Say what kind of event this is: object_kind.")
    if kind in ISSUES:
        kind = "incident" if _is_incident(message, kind) else ""
    if kind not in READERS:
        raise Unsupported("This event of GitLab is no alert; nothing was opened.")
    return [READERS[kind](message)]


def _pipeline(message: dict[str, Any]) -> Event:
    run = child(message, "object_attributes")
    action = _outcome(run, ("status", "detailed_status"), PIPELINE_OUTCOMES, "object_attributes")
    source = text(run, "source")
    request = text(child(message, "merge_request"), "iid", "id")
    # A fork may call its branch like ours: a merge request's pipelines have their own key.
    branch = f"!{request}" if source == "merge_request_event" and request else text(run, "ref")
    flavour = source if source in SEPARATE_SOURCES else ""
    verb = "failed" if action == "trigger" else "passed"
    return _event(
        message,
        action=action,
        key=("pipeline", _project_key(message), branch or text(run, "id"), flavour),
        summary=f"Pipeline {verb}: {branch or 'unnamed branch'} of {_project(message)}",
        severity="error",
        link=text(run, "url") or text(child(message, "commit"), "url"),
        details={
            "pipeline": text(run, "id"),
            "ref": text(run, "ref"),
            "source": source,
            "commit": text(run, "sha"),
            "message": text(child(message, "commit"), "title", "message"),
        },
        moment=run.get("finished_at"),
    )


def _job(message: dict[str, Any]) -> Event:
    action = _outcome(message, ("build_status", "status"), OUTCOMES, "")
    if action == "trigger" and message.get("build_allow_failure") is True:
        raise Unsupported("This job is allowed to fail; nothing was opened.")
    name = text(message, "build_name", "name")
    branch = text(message, "ref")
    verb = "failed" if action == "trigger" else "passed"
    return _event(
        message,
        action=action,
        key=("job", _project_key(message), branch, name or text(message, "build_id")),
        summary=f"Job {verb}: {name or 'unnamed'} on {branch or '?'} of {_project(message)}",
        severity="error",
        link=text(child(message, "repository"), "homepage"),
        details={
            "job": text(message, "build_id"),
            "stage": text(message, "build_stage"),
            "reason": text(message, "build_failure_reason"),
            "commit": text(message, "sha"),
        },
        moment=message.get("build_finished_at"),
    )


def _deployment(message: dict[str, Any]) -> Event:
    action = _outcome(message, ("status", "deployment_status"), OUTCOMES, "")
    place = text(message, "environment") or text(child(message, "environment"), "name")
    verb = "failed" if action == "trigger" else "succeeded"
    return _event(
        message,
        action=action,
        key=("deployment", _project_key(message), place or text(message, "deployment_id")),
        summary=f"Deployment {verb}: {_project(message)} to {place or 'unnamed environment'}",
        severity="error",
        link=text(message, "deployable_url", "commit_url"),
        details={
            "deployment": text(message, "deployment_id"),
            "environment": place,
            "commit": text(message, "short_sha"),
            "message": text(message, "commit_title"),
        },
        moment=message.get("status_changed_at"),
    )


def _incident(message: dict[str, Any]) -> Event:
    issue = child(message, "object_attributes")
    number = text(issue, "iid", "id")
    if not number:
        raise unclear("object_attributes.iid", "Say which incident this is: iid.")
    word = text(issue, "action").lower() or {"opened": "open", "closed": "close"}.get(
        text(issue, "state").lower(), ""
    )
    if word not in INCIDENT_ACTIONS:
        raise Unsupported("This change of an incident is no alert; nothing was opened.")
    return _event(
        message,
        action=INCIDENT_ACTIONS[word],
        key=("incident", _project_key(message), number),
        summary=text(issue, "title") or f"Incident {number} of {_project(message)}",
        severity=severity_of(text(issue, "severity"), "error"),
        link=text(issue, "url"),
        description=text(issue, "description"),
        details={"severity": text(issue, "severity"), "state": text(issue, "state")},
        moment=issue.get("updated_at"),
    )


def _alert(message: dict[str, Any]) -> Event:
    alert = child(message, "object_attributes")
    status = text(alert, "status", "state").lower()
    if status not in ALERT_STATES:
        raise unclear("object_attributes.status", "Say the alert's status.")
    # The address ends in the alert's number; the body has no number of its own.
    identity = text(alert, "url", "iid", "id", "title")
    if not identity:
        raise unclear("object_attributes.url", "Say which alert this is: url.")
    return _event(
        message,
        action=ALERT_STATES[status],
        key=("alert", _project_key(message), identity),
        summary=text(alert, "title") or f"Alert of {_project(message)}",
        severity=severity_of(text(alert, "severity"), "error"),
        link=text(alert, "url"),
        description=text(alert, "description"),
        details={"severity": text(alert, "severity"), "events": text(alert, "events")},
        moment=alert.get("ended_at" if status == "resolved" else "started_at"),
    )


ISSUES: Final = frozenset({"issue", "work_item", "incident"})
READERS: Final[dict[str, Callable[[dict[str, Any]], Event]]] = {
    "pipeline": _pipeline,
    "build": _job,
    "job": _job,
    "deployment": _deployment,
    "incident": _incident,
    "alert": _alert,
}


def _is_incident(message: dict[str, Any], kind: str) -> bool:
    """Incidents arrive as issues, with the type beside."""
    issue = child(message, "object_attributes")
    words = (kind, text(message, "event_type"), text(issue, "type"), text(issue, "issue_type"))
    return "incident" in (word.lower() for word in words)


def _outcome(
    data: dict[str, Any], names: tuple[str, ...], outcomes: dict[str, Action], inside: str
) -> Action:
    word = text(data, *names).lower()
    if not word:
        field = f"{inside}.{names[0]}" if inside else names[0]
        raise unclear(field, f"Say how it ended: {field}.")
    if word not in outcomes:
        raise Unsupported("This run has neither failed nor succeeded; nothing was opened.")
    return outcomes[word]


def _event(
    message: dict[str, Any],
    *,
    action: Action,
    key: tuple[str, ...],
    summary: str,
    severity: Severity,
    link: str,
    details: dict[str, Any],
    moment: object,
    description: str = "",
) -> Event:
    return Event(
        action=action,
        dedup_key=key_of("gitlab", *key),
        summary=one_line(summary, MAX_SUMMARY),
        source=one_line(_project(message), MAX_SOURCE),
        severity=severity,
        description=lines(description),
        details={name: value for name, value in details.items() if value},
        links=links_to((link, "GitLab"), (text(child(message, "project"), "web_url"), "Project")),
        occurred_at=_time(moment),
    )


def _project(message: dict[str, Any]) -> str:
    """The project's name for people."""
    project = child(message, "project")
    name = text(project, "path_with_namespace") or text(message, "project_name")
    return name or text(project, "name") or _project_key(message) or "an unnamed project"


def _project_key(message: dict[str, Any]) -> str:
    """The project's number, which survives a rename; else its path."""
    project = child(message, "project")
    number = text(project, "id") or text(message, "project_id")
    return number or text(project, "path_with_namespace") or text(message, "project_name")


def _time(value: object) -> datetime | None:
    """GitLab writes “2026-01-31 10:20:30 UTC” and “2026-01-31 10:20:30 +0200” as well."""
    if not isinstance(value, str):
        return None
    match = _OFFSET.search(value[:40])
    if match is None:
        return parse_time(value)
    return parse_time(value[: match.start()] + ("+00:00" if match[1] == "UTC" else match[1]))
