"""GitHub repository, organization and app webhooks.

https://docs.github.com/en/webhooks/webhook-events-and-payloads

Runs, jobs, checks, statuses and deployments open when they fail or time out, and close when the
same thing succeeds on the same branch (or environment); security alerts open until they are fixed
or dismissed. Everything else, and every other conclusion, opens nothing. The header
X-GitHub-Event says which event it is; without it, the body's objects do.
"""

from collections.abc import Callable, Mapping
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
from incidents.integrations import github_alerts, gitlab
from incidents.integrations.reading import (
    child,
    children,
    decode_form_or_json,
    decode_object,
    key_of,
    links_to,
    text,
    unclear,
)

OUTCOMES: Final[dict[str, Action]] = {
    "failure": "trigger",
    "timed_out": "trigger",
    "startup_failure": "trigger",  # the workflow's file is broken: nothing ran at all
    "success": "resolve",
}
# Statuses and deployments also end in “error”.
STATES: Final[dict[str, Action]] = OUTCOMES | {"error": "trigger"}


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload, Unsupported for what is no alert."""
    message = _message(headers, body)
    if text(message, "object_kind"):  # GitLab's bodies have always been taken here as well
        return gitlab.parse(headers, query, body)
    name = headers.get("x-github-event", "").strip().lower() or _name_of(message)
    if name in github_alerts.EVENTS:
        return [github_alerts.event_of(message, name)]
    if name == "status":
        return [_status(message)]
    if name not in READERS:
        raise Unsupported("This event of GitHub is no alert; nothing was opened.")
    subject = child(message, name)
    if not subject:
        raise unclear(name, f"Send {name}, as GitHub's webhooks do.")
    return [READERS[name](message, subject)]


def _message(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The body, or what is in the form's field `payload`: a webhook may send either."""
    message = decode_form_or_json(headers, body)
    wrapped = message.get("payload")
    if set(message) == {"payload"} and isinstance(wrapped, str):
        return decode_object(wrapped.encode("utf-8", "replace"))
    return message


def _name_of(message: dict[str, Any]) -> str:
    name = next((name for name in READERS if child(message, name)), "")
    if not name and child(message, "alert"):
        name = github_alerts.name_of(child(message, "alert"))
    if not name and text(message, "state") and text(message, "context"):
        name = "status"
    # Every event names its sender; a body without is not GitHub's.
    if not name and not child(message, "sender") and not text(message, "zen"):
        raise unclear("body", "Send an event of GitHub, with the header X-GitHub-Event.")
    return name


def _workflow_run(message: dict[str, Any], run: dict[str, Any]) -> Event:
    action = _conclusion(message, run, "workflow_run")
    workflow = child(message, "workflow")
    name = text(run, "name") or text(workflow, "name") or text(run, "path") or "unnamed"
    identity = text(run, "workflow_id") or text(workflow, "id") or text(run, "path") or name
    repository = _repository(message)
    # A fork may call its branch like ours: its success must not close our failure.
    head = text(child(run, "head_repository"), "full_name")
    fork = head if head != repository else ""
    return _event(
        message,
        action=action,
        key=("run", repository, identity, text(run, "head_branch"), fork),
        title=("Workflow", name, text(run, "head_branch")),
        link=text(run, "html_url"),
        details={
            "title": text(run, "display_title"),
            "conclusion": text(run, "conclusion"),
            "event": text(run, "event"),
            "run": text(run, "run_number", "id"),
            "attempt": text(run, "run_attempt"),
            "commit": text(run, "head_sha"),
            "message": text(child(run, "head_commit"), "message"),
        },
        moment=run.get("updated_at"),
    )


def _workflow_job(message: dict[str, Any], job: dict[str, Any]) -> Event:
    action = _conclusion(message, job, "workflow_job")
    name = text(job, "name") or "unnamed"
    workflow = text(job, "workflow_name")
    return _event(
        message,
        action=action,
        key=("job", _repository(message), workflow, name, text(job, "head_branch")),
        title=("Job", f"{workflow} / {name}" if workflow else name, text(job, "head_branch")),
        link=text(job, "html_url"),
        details={
            "conclusion": text(job, "conclusion"),
            "run": text(job, "run_id"),
            "runner": text(job, "runner_name"),
            "commit": text(job, "head_sha"),
            "failed steps": [
                text(step, "name")
                for step in children(job, "steps")
                if text(step, "conclusion") == "failure"
            ],
        },
        moment=job.get("completed_at"),
    )


def _check_run(message: dict[str, Any], check: dict[str, Any]) -> Event:
    action = _conclusion(message, check, "check_run")
    name = text(check, "name") or "unnamed"
    suite = child(check, "check_suite")
    branch = text(suite, "head_branch")
    # A fork's branch is not named; its commit keeps it apart from our branches.
    place = branch or (text(check, "head_sha") if suite else "")
    output = child(check, "output")
    return _event(
        message,
        action=action,
        key=("check", _repository(message), _app(check), name, place),
        title=("Check", name, branch),
        link=text(check, "html_url", "details_url"),
        description=text(output, "summary") or text(output, "title"),
        details={
            "conclusion": text(check, "conclusion"),
            "app": text(child(check, "app"), "name"),
            "output": text(output, "title"),
            "commit": text(check, "head_sha"),
        },
        moment=check.get("completed_at"),
    )


def _check_suite(message: dict[str, Any], suite: dict[str, Any]) -> Event:
    action = _conclusion(message, suite, "check_suite")
    branch = text(suite, "head_branch")
    app = child(suite, "app")
    place = branch or text(suite, "head_sha")
    return _event(
        message,
        action=action,
        key=("suite", _repository(message), _app(suite), place),
        title=("Checks of", text(app, "name") or "an unnamed app", branch),
        link="",
        details={"conclusion": text(suite, "conclusion"), "commit": text(suite, "head_sha")},
        moment=suite.get("updated_at"),
    )


def _deployment_status(message: dict[str, Any], status: dict[str, Any]) -> Event:
    action = _state(status, "deployment_status.state")
    deployment = child(message, "deployment")
    place = text(status, "environment") or text(deployment, "environment")
    task = text(deployment, "task") or "deploy"
    return _event(
        message,
        action=action,
        key=("deployment", _repository(message), place or text(deployment, "id"), task),
        title=("Deployment", f"of {task}" if task != "deploy" else "", place),
        link=text(status, "log_url", "target_url", "environment_url"),
        description=text(status, "description"),
        details={
            "state": text(status, "state"),
            "deployment": text(deployment, "id"),
            "ref": text(deployment, "ref"),
            "commit": text(deployment, "sha"),
        },
        moment=status.get("updated_at"),
    )


def _deployment(message: dict[str, Any], deployment: dict[str, Any]) -> Event:
    """A deployment that carries its own state; GitHub's own has none and is no alert."""
    if not text(deployment, "state"):
        raise Unsupported("A deployment that was only created is no alert; nothing was opened.")
    return _deployment_status(message, deployment)


def _status(message: dict[str, Any]) -> Event:
    action = _state(message, "state")
    context = text(message, "context") or "default"
    branch = _branch_of_status(message)
    return _event(
        message,
        action=action,
        key=("status", _repository(message), context, branch or text(message, "sha")),
        title=("Status", context, branch),
        link=text(message, "target_url") or text(child(message, "commit"), "html_url"),
        description=text(message, "description"),
        details={"state": text(message, "state"), "commit": text(message, "sha")},
        moment=message.get("updated_at"),
    )


# Looked for in this order where no header says which: deployment events carry a run, a run's
# job a deployment.
READERS: Final[dict[str, Callable[[dict[str, Any], dict[str, Any]], Event]]] = {
    "deployment_status": _deployment_status,
    "workflow_job": _workflow_job,
    "check_run": _check_run,
    "check_suite": _check_suite,
    "deployment": _deployment,
    "workflow_run": _workflow_run,
}


def _conclusion(message: dict[str, Any], subject: dict[str, Any], name: str) -> Action:
    """What a finished run means; a rerun that was only requested still has its old conclusion."""
    words = (text(message, "action").lower(), text(subject, "status").lower())
    if any(word not in ("", "completed") for word in words):
        raise Unsupported("This has not finished; nothing was opened.")
    conclusion = text(subject, "conclusion").lower()
    if not conclusion:
        raise unclear(f"{name}.conclusion", "Say how it ended: conclusion.")
    if conclusion not in OUTCOMES:
        raise Unsupported("This has neither failed nor succeeded; nothing was opened.")
    return OUTCOMES[conclusion]


def _state(subject: dict[str, Any], field: str) -> Action:
    state = text(subject, "state").lower()
    if not state:
        raise unclear(field, "Say how it ended: state.")
    if state not in STATES:
        raise Unsupported("This has neither failed nor succeeded; nothing was opened.")
    return STATES[state]


def _branch_of_status(message: dict[str, Any]) -> str:
    """The default branch if the commit is on it, else the first by name: the list has no order."""
    names = sorted(
        name for branch in children(message, "branches") if (name := text(branch, "name"))
    )
    default = text(child(message, "repository"), "default_branch")
    return default if default in names else next(iter(names), "")


def _repository(message: dict[str, Any]) -> str:
    return text(child(message, "repository"), "full_name", "name")


def _app(subject: dict[str, Any]) -> str:
    return text(child(subject, "app"), "id", "slug", "name")


def _event(
    message: dict[str, Any],
    *,
    action: Action,
    key: tuple[str, ...],
    title: tuple[str, str, str],
    link: str,
    details: dict[str, Any],
    moment: object,
    description: str = "",
) -> Event:
    what, name, place = title
    repository = _repository(message)
    severity: Severity = "critical" if action == "trigger" else "info"
    verb = "failed" if action == "trigger" else "succeeded"
    where = " of ".join(part for part in (place, repository) if part)
    summary = f"{what} {name} {verb}" + (f": {where}" if where else "")
    return Event(
        action=action,
        dedup_key=key_of("github", *key),
        summary=one_line(summary, MAX_SUMMARY),
        source=one_line(repository, MAX_SOURCE),
        severity=severity,
        description=lines(description),
        details={field: value for field, value in details.items() if value},
        links=links_to(
            (link, "GitHub"),
            (text(child(message, "repository"), "html_url"), "Repository"),
        ),
        occurred_at=parse_time(moment),
    )
