"""Dynatrace's problem notifications."""

import pytest

from incidents.intake.events import Event, InvalidPayload
from incidents.integrations.dynatrace import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "dynatrace"


def only(name: str) -> Event:
    [event] = parse({}, {}, payload(KIND, name))
    return event


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        ("open", "trigger", "P-2611001", "error", "Failure rate increase"),
        ("resolved", "resolve", "P-2611001", "error", "Failure rate increase"),
        ("merged", "resolve", "P-2611002", "error", "Failure rate increase"),
        (
            "title_only_open",
            "trigger",
            "dynatrace-host-unavailable",
            "critical",
            "Host unavailable",
        ),
    ],
)
def test_payload_is_understood(
    name: str, action: str, key: str, severity: str, summary: str
) -> None:
    event = only(name)

    assert (event.action, event.dedup_key) == (action, key)
    assert (event.severity, event.summary) == (severity, summary)


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        ("open", "resolved"),
        ("title_only_open", "title_only_resolved"),
    ],
)
def test_recovery_carries_the_key_of_what_it_closes(opens: str, closes: str) -> None:
    first, second = only(opens), only(closes)

    assert (first.action, second.action) == ("trigger", "resolve")
    assert first.dedup_key == second.dedup_key


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "ProblemID"),
        (b'{"ProblemID": [], "State": "OPEN"}', "ProblemID"),
        (b"[]", "body"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        parse({}, {}, body)

    assert field in refusal.value.fields


def test_problem_says_what_is_hit_and_when() -> None:
    event = only("open")

    assert event.source == "checkout"
    assert event.description == "Failure rate increased to 12 %"
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-11-23T09:00:00+00:00"


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
