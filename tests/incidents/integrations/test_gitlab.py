"""GitLab's webhooks."""

from datetime import datetime, timedelta, timezone

import pytest

from incidents.intake.events import Event, InvalidPayload, Unsupported
from incidents.integrations.gitlab import parse
from tests.incidents.integrations.fuzzing import fuzz, payload


def read(name: str) -> Event:
    [event] = parse({}, {}, payload("gitlab", name))
    return event


@pytest.mark.parametrize(
    ("name", "event"),
    [
        (
            "pipeline_failed",
            ("trigger", "pipeline:42:main:", "error", "Pipeline failed: main of acme/shop"),
        ),
        (
            "job_failed",
            ("trigger", "job:42:main:unit", "error", "Job failed: unit on main of acme/shop"),
        ),
        (
            "deployment_failed",
            (
                "trigger",
                "deployment:42:production",
                "error",
                "Deployment failed: acme/shop to production",
            ),
        ),
        ("incident_open", ("trigger", "incident:42:23", "critical", "The shop is closed")),
        (
            "alert_triggered",
            (
                "trigger",
                "alert:42:https%3A//gitlab.example.com/acme/shop/-/alert_management/3/details",
                "critical",
                "Memory is full",
            ),
        ),
    ],
)
def test_trouble_opens(name: str, event: tuple[str, str, str, str]) -> None:
    e = read(name)

    assert (e.action, e.dedup_key.removeprefix("gitlab:"), e.severity, e.summary) == event
    assert e.source == "acme/shop"


@pytest.mark.parametrize(
    ("bad", "good", "action"),
    [
        ("pipeline_failed", "pipeline_success", "resolve"),
        ("pipeline_failed", "pipeline_manual", "resolve"),
        ("job_failed", "job_success", "resolve"),
        ("deployment_failed", "deployment_success", "resolve"),
        ("incident_open", "incident_close", "resolve"),
        ("alert_triggered", "alert_acknowledged", "acknowledge"),
        ("alert_triggered", "alert_resolved", "resolve"),
    ],
)
def test_better_news_finds_what_the_bad_opened(bad: str, good: str, action: str) -> None:
    opened, later = read(bad), read(good)

    assert (opened.action, later.action) == ("trigger", action)
    assert opened.dedup_key == later.dedup_key


@pytest.mark.parametrize(
    "other", ["pipeline_of_schedule_success", "pipeline_of_merge_request_success"]
)
def test_other_pipelines_of_a_branch_do_not_close_its_failure(other: str) -> None:
    assert read("pipeline_failed").dedup_key != read(other).dedup_key


@pytest.mark.parametrize(
    "name",
    [
        *("pipeline_running", "pipeline_canceled", "pipeline_skipped"),
        *("job_created", "job_manual", "job_allowed_to_fail", "deployment_running"),
        *("issue_open", "incident_update", "merge_request_open", "push", "system_hook"),
    ],
)
def test_what_is_no_alert_opens_nothing(name: str) -> None:
    with pytest.raises(Unsupported):
        read(name)


def test_gitlabs_own_way_to_write_times_is_understood() -> None:
    zone = timezone(timedelta(hours=1))

    assert read("deployment_failed").occurred_at == datetime(2026, 1, 10, 12, tzinfo=zone)
    assert read("pipeline_failed").occurred_at == datetime(2026, 1, 10, 11, 5, tzinfo=zone)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "object_kind"),
        (b'{"object_kind": "pipeline"}', "object_attributes.status"),
        (b'{"object_kind": "build"}', "build_status"),
        (b'{"object_kind": "deployment", "status": []}', "status"),
        (b'{"object_kind": "incident"}', "object_attributes.iid"),
        (b'{"object_kind": "alert"}', "object_attributes.status"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({}, {}, body)

    assert list(refused.value.fields) == [field]


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, "gitlab")
