"""Vercel: deployments that fail and succeed.

https://vercel.com/docs/webhooks/webhooks-api

The key is the project and, outside production, the branch: the next good deployment closes what
the bad one opened.
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
    lines,
    one_line,
    parse_time,
)
from incidents.integrations.reading import (
    child,
    decode_object,
    epoch_ms_time,
    key_of,
    links_to,
    text,
    unclear,
)

ACTIONS: Final[dict[str, Action]] = {
    "deployment.error": "trigger",
    "deployment.failed": "trigger",
    "deployment.succeeded": "resolve",
    "deployment.ready": "resolve",
}
_BRANCHES: Final = ("githubCommitRef", "gitlabCommitRef", "bitbucketCommitRef", "branchAlias")
_COMMITS: Final = ("githubCommitSha", "gitlabCommitSha", "bitbucketCommitSha")


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload, Unsupported for what is no end of a deployment."""
    message = decode_object(body)
    kind = text(message, "type").lower()
    if not kind:
        raise unclear("type", "Say what happened: type.")
    if kind not in ACTIONS:
        raise Unsupported("This event of Vercel is no alert; nothing was opened.")
    return [_event(message, ACTIONS[kind])]


def _event(message: dict[str, Any], action: Action) -> Event:
    payload = child(message, "payload")
    deployment = child(payload, "deployment")
    meta = child(deployment, "meta")
    project = text(child(payload, "project"), "id", "name")
    project = project or text(payload, "projectId", "name", "project") or text(deployment, "name")
    if not project:
        raise unclear("payload.project.id", "Say which project this is: payload.project.id.")
    target = text(payload, "target").lower() or "preview"
    production = target == "production"
    branch = text(meta, *_BRANCHES)
    part = "" if production else branch or text(deployment, "id")
    name = text(deployment, "name") or text(payload, "name")
    name = name or text(child(payload, "project"), "name") or project
    created = message.get("createdAt")  # milliseconds; older documents say an ISO date
    failure: Severity = "critical" if production else "error"
    verb = "failed" if action == "trigger" else "succeeded"
    return Event(
        action=action,
        dedup_key=key_of("vercel", project, target, part),
        summary=one_line(f"Deployment {verb}: {name} ({target})", MAX_SUMMARY),
        source=one_line(name, MAX_SOURCE),
        severity=failure if action == "trigger" else "info",
        description=lines(_error(payload)),
        details={
            "deployment": text(deployment, "id"),
            "address": text(deployment, "url"),
            "target": target,
            "branch": branch,
            "commit": text(meta, *_COMMITS),
        },
        links=links_to(
            (text(child(payload, "links"), "deployment"), "Deployment"),
            (text(child(payload, "links"), "project"), "Project"),
        ),
        occurred_at=epoch_ms_time(created) or parse_time(created),
    )


def _error(payload: dict[str, Any]) -> str:
    return text(child(payload, "error"), "message", "code") or text(payload, "error")
