"""GitHub's webhooks: results of runs and deployments, and security alerts."""

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from incidents.intake.events import Event, InvalidPayload, Unsupported
from incidents.integrations.github import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

# Longest first: deployment_status is no deployment.
EVENTS = (
    *("repository_vulnerability_alert", "secret_scanning_alert", "code_scanning_alert"),
    *("dependabot_alert", "deployment_status", "workflow_run", "workflow_job", "check_suite"),
    *("check_run", "deployment", "status", "push", "ping"),
)


def read(name: str, with_header: bool = True) -> Event:
    event = next(event for event in EVENTS if name.startswith(event))
    headers = {"x-github-event": event} if with_header else {}
    [found] = parse(headers, {}, payload("github", name))
    return found


@pytest.mark.parametrize("with_header", [True, False])
@pytest.mark.parametrize(
    ("name", "event"),
    [
        (
            "workflow_run_failure",
            ("trigger", "run:acme/shop:31:main:", "Workflow Tests failed: main of acme/shop"),
        ),
        (
            "workflow_job_failure",
            (
                "trigger",
                "job:acme/shop:Tests:unit (3.13):main",
                "Job Tests / unit (3.13) failed: main of acme/shop",
            ),
        ),
        (
            "check_run_timed_out",
            ("trigger", "check:acme/shop:88:style:main", "Check style failed: main of acme/shop"),
        ),
        (
            "check_suite_failure",
            ("trigger", "suite:acme/shop:88:main", "Checks of Linter failed: main of acme/shop"),
        ),
        (
            "deployment_status_failure",
            (
                "trigger",
                "deployment:acme/shop:production:deploy",
                "Deployment failed: production of acme/shop",
            ),
        ),
        (
            "status_failure",
            (
                "trigger",
                "status:acme/shop:ci/build:main",
                "Status ci/build failed: main of acme/shop",
            ),
        ),
    ],
)
def test_failure_opens(name: str, event: tuple[str, str, str], with_header: bool) -> None:
    e = read(name, with_header)

    assert (e.action, e.dedup_key.removeprefix("github:"), e.summary) == event
    assert (e.severity, e.source) == ("critical", "acme/shop")


@pytest.mark.parametrize("with_header", [True, False])
@pytest.mark.parametrize(
    ("name", "severity", "key", "summary"),
    [
        (
            "dependabot_alert_created",
            "critical",
            "github:dependabot:acme/shop:6",
            "Parsing runs code (acme-yaml)",
        ),
        (
            "code_scanning_alert_created",
            "critical",
            "github:code-scanning:acme/shop:6",
            "Query built from strange text",
        ),
        (
            "secret_scanning_alert_created",
            "critical",
            "github:secret-scanning:acme/shop:2",
            "Secret found: Acme token",
        ),
        (
            "repository_vulnerability_alert_create",
            "warning",
            "github:dependabot:acme/shop:9",
            "Vulnerable dependency: acme-rack",
        ),
    ],
)
def test_security_alert_opens(
    name: str, severity: str, key: str, summary: str, with_header: bool
) -> None:
    e = read(name, with_header)

    assert (e.action, e.severity, e.dedup_key, e.summary) == ("trigger", severity, key, summary)


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("workflow_run_failure", "workflow_run_success"),
        ("workflow_job_failure", "workflow_job_success"),
        ("check_run_timed_out", "check_run_success"),
        ("check_suite_failure", "check_suite_success"),
        ("deployment_status_failure", "deployment_status_success"),
        ("deployment_status_error", "deployment_status_success"),
        ("status_failure", "status_success"),
        ("dependabot_alert_created", "dependabot_alert_fixed"),
        ("dependabot_alert_created", "dependabot_alert_dismissed"),
        ("code_scanning_alert_created", "code_scanning_alert_fixed"),
    ],
)
def test_success_closes_what_the_failure_opened(bad: str, good: str) -> None:
    opened, closed = read(bad), read(good)

    assert (opened.action, closed.action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("workflow_run_failure", "workflow_run_success_of_fork"),
        ("check_run_timed_out", "check_run_success_of_fork"),
    ],
)
def test_success_of_a_fork_does_not_close_our_failure(ours: str, theirs: str) -> None:
    assert read(ours).dedup_key != read(theirs).dedup_key


def test_a_workflow_that_could_not_even_start_is_a_failure() -> None:
    body = json.loads(payload("github", "workflow_run_cancelled"))
    body["workflow_run"]["conclusion"] = "startup_failure"

    events = parse({"x-github-event": "workflow_run"}, {}, json.dumps(body).encode())

    assert [event.action for event in events] == ["trigger"]


@pytest.mark.parametrize(
    "name",
    [
        # neither failed nor succeeded
        *("workflow_run_cancelled", "workflow_run_skipped", "workflow_run_neutral"),
        *("workflow_run_action_required", "workflow_run_stale"),
        # not finished; the second still has the conclusion of its first attempt
        *("workflow_run_in_progress", "workflow_run_requested_again", "workflow_job_queued"),
        *("check_run_created", "deployment_status_in_progress", "status_pending"),
        # no results
        *("deployment", "push", "ping", "dependabot_alert_assigned"),
        "code_scanning_alert_appeared",
    ],
)
@pytest.mark.parametrize("with_header", [True, False])
def test_what_is_no_result_opens_nothing(name: str, with_header: bool) -> None:
    with pytest.raises(Unsupported):
        read(name, with_header)


def test_body_without_its_other_objects_is_understood() -> None:
    e = read("workflow_run_short")

    assert (e.action, e.dedup_key) == ("trigger", "github:run:acme/shop:Tests:main:")


def test_form_is_understood_like_json() -> None:
    body = urlencode({"payload": payload("github", "check_run_timed_out").decode()}).encode()
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-github-event": "check_run",
    }

    assert parse(headers, {}, body) == [read("check_run_timed_out")]


def test_build_of_gitlab_is_understood_here_too() -> None:
    [event] = parse({}, {}, payload("gitlab", "job_failed"))

    assert event.dedup_key == "gitlab:job:42:main:unit"


def test_job_names_the_steps_that_failed() -> None:
    e = read("workflow_job_failure")

    assert e.details["failed steps"] == ["Run the tests"]
    assert e.occurred_at == datetime(2026, 1, 10, 10, 10, 10, tzinfo=UTC)
    assert e.links[0]["href"] == "https://github.example.com/acme/shop/actions/runs/9001/job/501"


@pytest.mark.parametrize(
    ("event", "body", "field"),
    [
        ("", b"{}", "body"),
        ("workflow_run", b'{"workflow_run": 3}', "workflow_run"),
        ("workflow_run", b'{"workflow_run": {"name": "x"}}', "workflow_run.conclusion"),
        ("status", b'{"context": "x"}', "state"),
        ("dependabot_alert", b'{"action": "created", "alert": []}', "alert.number"),
        ("dependabot_alert", b'{"alert": {"number": 3}}', "action"),
    ],
)
def test_refusal_names_the_field(event: str, body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({"x-github-event": event}, {}, body)

    assert list(refused.value.fields) == [field]


@pytest.mark.parametrize("event", ["", "workflow_run", "status", "dependabot_alert"])
def test_bad_input_is_refused_by_name(event: str) -> None:
    fuzz(parse, "github", {"x-github-event": event}, examples=150)
