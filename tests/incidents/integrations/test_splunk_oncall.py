"""Splunk On-Call (VictorOps): REST endpoint."""

from datetime import UTC, datetime

import pytest

from incidents.intake.events import InvalidPayload, Unsupported
from incidents.integrations.splunk_oncall import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "splunk-oncall"
HEADERS = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        ("critical", "trigger", "shop/checkout-latency", "critical", "Checkout is slow"),
        ("warning", "trigger", "shop/disk", "warning", "Disk is filling"),
        ("acknowledgement", "acknowledge", "shop/checkout-latency", "warning", "Checkout is slow"),
        ("recovery", "resolve", "shop/checkout-latency", "warning", "Checkout is fast again"),
        ("by_incident_id", "resolve", "7781", "critical", "Queue drained"),
    ],
)
def test_a_message_becomes_one_event(
    name: str, action: str, key: str, severity: str, summary: str
) -> None:
    [event] = parse(HEADERS, {}, payload(KIND, name))

    assert (event.action, event.dedup_key, event.severity) == (action, key, severity)
    assert event.summary == summary


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("critical", "recovery"),
    ],
)
def test_a_recovery_closes_what_the_problem_opened(opening: str, closing: str) -> None:
    [opened] = parse(HEADERS, {}, payload(KIND, opening))
    [closed] = parse(HEADERS, {}, payload(KIND, closing))

    assert (opened.action, closed.action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key


@pytest.mark.parametrize("name", ["info"])
def test_a_message_that_is_no_alert_is_ignored(name: str) -> None:
    with pytest.raises(Unsupported):
        parse(HEADERS, {}, payload(KIND, name))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "entity_id"),
        (b"[]", "body"),
        (rb'{"message_type": "CRITICAL", "entity_id": "\u0000"}', "entity_id"),
        (b'{"message_type": "CRITICAL", "entity_id": [1]}', "entity_id"),
    ],
)
def test_a_body_that_cannot_be_understood_names_its_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse(HEADERS, {}, body)

    assert list(caught.value.fields) == [field]


def test_everything_the_sender_said_is_kept() -> None:
    [event] = parse(HEADERS, {}, payload(KIND, "critical"))

    assert event.description == "p99 is 4.2 s, limit 1 s\nRegion: north"
    assert event.source == "shop-02.example.com"
    assert event.links == [
        {"href": "https://metrics.example.com/graph?q=checkout", "text": "Alert"}
    ]
    assert event.occurred_at == datetime(2025, 7, 31, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize("word", ["unresolved", "PROBLEM", "unacknowledged", "whatever"])
def test_an_unknown_type_still_opens(word: str) -> None:
    body = b'{"entity_id": "a", "message_type": "%s"}' % word.encode()

    [event] = parse(HEADERS, {}, body)

    assert event.action == "trigger"


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
