"""Bitbucket Cloud: build statuses of commits.

https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Build-status-created

A `commit_status` that FAILED opens, one that was SUCCESSFUL closes, per repository, build and
branch. A `pipeline` object with its result is taken as well. Pushes, pull requests, issues and
builds that run or were stopped open nothing.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    Unsupported,
    lines,
    one_line,
    parse_time,
)
from incidents.integrations.reading import child, decode_object, key_of, links_to, text, unclear

OUTCOMES: Final[dict[str, Action]] = {
    "FAILED": "trigger",
    "ERROR": "trigger",
    "SUCCESSFUL": "resolve",
}
# The name of a run of Bitbucket Pipelines has a number of its own each time.
_PIPELINE_RUN = re.compile(r"Pipeline #\d+(?: for (.+))?", re.DOTALL)


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload, Unsupported for what is no result of a build."""
    message = decode_object(body)
    event = headers.get("x-event-key", "").strip().lower()
    status = child(message, "commit_status")
    pipeline = child(message, "pipeline")
    if status:
        return [_status_event(message, status)]
    if pipeline:
        return [_pipeline_event(message, pipeline)]
    if event.startswith("repo:commit_status_"):
        raise unclear("commit_status", "Send commit_status, as Bitbucket's webhooks do.")
    if event or child(message, "actor") or child(message, "repository"):
        raise Unsupported("This event of Bitbucket is no alert; nothing was opened.")
    raise unclear("commit_status", "Send an event of Bitbucket, such as a commit_status.")


def _status_event(message: dict[str, Any], status: dict[str, Any]) -> Event:
    action = _action(text(status, "state"), "commit_status.state")
    name = text(status, "name") or text(status, "key")
    run = _PIPELINE_RUN.fullmatch(name)
    branch = text(status, "refname") or (run[1] or "" if run else "")
    build = "pipelines" if run else text(status, "key") or name
    verb = "failed" if action == "trigger" else "succeeded"
    place = f"{branch} of {_repository(message)}" if branch else _repository(message)
    return Event(
        action=action,
        dedup_key=key_of("bitbucket", _repository(message), build, branch),
        summary=one_line(f"{name or 'Build'} {verb}: {place}", MAX_SUMMARY),
        source=one_line(_repository(message), MAX_SOURCE),
        severity="error" if action == "trigger" else "info",
        description=lines(text(status, "description")),
        details={
            "build": text(status, "key"),
            "branch": branch,
            "commit": text(child(status, "commit"), "hash"),
        },
        links=links_to(
            (text(status, "url"), "Build"),
            (text(child(status, "links", "commit"), "href"), "Commit"),
        ),
        occurred_at=parse_time(status.get("updated_on")),
    )


def _pipeline_event(message: dict[str, Any], pipeline: dict[str, Any]) -> Event:
    result = text(child(pipeline, "state", "result"), "name")
    result = result or text(child(pipeline, "state"), "name") or text(pipeline, "state")
    action = _action(result, "pipeline.state.result.name")
    branch = text(child(pipeline, "target"), "ref_name")
    verb = "failed" if action == "trigger" else "succeeded"
    place = f"{branch} of {_repository(message)}" if branch else _repository(message)
    return Event(
        action=action,
        dedup_key=key_of("bitbucket", _repository(message), "pipelines", branch),
        summary=one_line(f"Pipeline {verb}: {place}", MAX_SUMMARY),
        source=one_line(_repository(message), MAX_SOURCE),
        severity="error" if action == "trigger" else "info",
        details={"pipeline": text(pipeline, "build_number", "uuid"), "branch": branch},
        links=links_to((text(child(pipeline, "links", "html"), "href"), "Pipeline")),
        occurred_at=parse_time(pipeline.get("completed_on")),
    )


def _action(word: str, field: str) -> Action:
    if not word:
        raise unclear(field, f"Say how it ended: {field}.")
    if word.upper() not in OUTCOMES:
        raise Unsupported("This build has neither failed nor succeeded; nothing was opened.")
    return OUTCOMES[word.upper()]


def _repository(message: dict[str, Any]) -> str:
    repository = child(message, "repository")
    return text(repository, "full_name", "name", "uuid") or "an unnamed repository"
