"""Elastic: bodies of rules' webhook connectors, and alert documents."""

import pytest

from incidents.intake.events import Event, InvalidPayload, Unsupported
from incidents.integrations.elastic import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "elastic"


def only(name: str) -> Event:
    [event] = parse({}, {}, payload(KIND, name))
    return event


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        (
            "fired",
            "trigger",
            "elastic-r-100-web-1",
            "critical",
            "CPU per host: CPU is 95 % on web-1",
        ),
        (
            "fired_elsewhere",
            "trigger",
            "elastic-r-100-web-2",
            "critical",
            "CPU per host: CPU is 95 % on web-2",
        ),
        (
            "recovered",
            "resolve",
            "elastic-r-100-web-1",
            "critical",
            "CPU per host: CPU is 95 % on web-1",
        ),
        ("document_active", "trigger", "elastic-r-200-web-3", "critical", "Log rate: 120 errors"),
        (
            "hand_written_firing",
            "trigger",
            "elastic-Watcher",
            "warning",
            "Watcher: Too few documents",
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
        ("fired", "recovered"),
        ("document_active", "document_recovered"),
        ("hand_written_firing", "hand_written_ok"),
    ],
)
def test_recovery_carries_the_key_of_what_it_closes(opens: str, closes: str) -> None:
    first, second = only(opens), only(closes)

    assert (first.action, second.action) == ("trigger", "resolve")
    assert first.dedup_key == second.dedup_key


@pytest.mark.parametrize(
    "name",
    [
        "delayed",
    ],
)
def test_what_is_no_alert_opens_nothing(name: str) -> None:
    with pytest.raises(Unsupported):
        parse({}, {}, payload(KIND, name))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "rule.id"),
        (b'{"rule": [], "alert": 3}', "rule.id"),
        (b"[]", "body"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        parse({}, {}, body)

    assert field in refusal.value.fields


def test_every_alert_of_a_summary_is_an_event() -> None:
    events = parse({}, {}, payload(KIND, "summary"))

    assert [(event.action, event.dedup_key) for event in events] == [
        ("trigger", "elastic-r-200-web-4"),
        ("trigger", "elastic-r-200-web-5"),
        ("resolve", "elastic-r-200-web-3"),
    ]


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
