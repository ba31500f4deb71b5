"""Bitbucket's webhooks."""

import pytest

from incidents.intake.events import Event, InvalidPayload, Unsupported
from incidents.integrations.bitbucket import parse
from tests.incidents.integrations.fuzzing import fuzz, payload


def read(name: str) -> Event:
    [event] = parse({}, {}, payload("bitbucket", name))
    return event


@pytest.mark.parametrize(
    ("name", "event"),
    [
        (
            "status_failed",
            ("bitbucket:acme/shop:unit-tests:main", "Unit tests failed: main of acme/shop"),
        ),
        # Each run has another number and another key: the branch is what stays.
        (
            "run_failed",
            (
                "bitbucket:acme/shop:pipelines:main",
                "Pipeline #41 for main failed: main of acme/shop",
            ),
        ),
        (
            "pipeline_failed",
            ("bitbucket:acme/shop:pipelines:main", "Pipeline failed: main of acme/shop"),
        ),
    ],
)
def test_failure_opens(name: str, event: tuple[str, str]) -> None:
    e = read(name)

    assert (e.dedup_key, e.summary) == event
    assert (e.action, e.severity, e.source) == ("trigger", "error", "acme/shop")


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("status_failed", "status_successful"),
        ("run_failed", "run_successful"),
        ("pipeline_failed", "pipeline_successful"),
    ],
)
def test_success_closes_what_the_failure_opened(bad: str, good: str) -> None:
    opened, closed = read(bad), read(good)

    assert (opened.action, closed.action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key


@pytest.mark.parametrize(
    "name", ["status_in_progress", "status_stopped", "pipeline_running", "push", "pull_request"]
)
def test_what_is_no_result_opens_nothing(name: str) -> None:
    with pytest.raises(Unsupported):
        read(name)


@pytest.mark.parametrize(
    ("event", "body", "field"),
    [
        ("", b"{}", "commit_status"),
        ("repo:commit_status_updated", b'{"actor": {"a": 1}}', "commit_status"),
        ("", b'{"commit_status": {"key": "x", "state": []}}', "commit_status.state"),
        ("", b'{"pipeline": {"uuid": "x"}}', "pipeline.state.result.name"),
    ],
)
def test_refusal_names_the_field(event: str, body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({"x-event-key": event}, {}, body)

    assert list(refused.value.fields) == [field]


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, "bitbucket")
