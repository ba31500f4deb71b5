"""Pingdom: state changes of uptime and transaction checks."""

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from incidents.intake.events import InvalidPayload, Unsupported
from incidents.integrations.pingdom import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "pingdom"
HEADERS = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        (
            "down",
            "trigger",
            "pingdom:481516",
            "critical",
            "Shop over HTTPS is down: HTTP Error 502",
        ),
        ("up", "resolve", "pingdom:481516", "info", "Shop over HTTPS is up: OK"),
        (
            "down_low",
            "trigger",
            "pingdom:481517",
            "warning",
            "Shop over HTTPS is down: HTTP Error 502",
        ),
        ("failing", "trigger", "pingdom:2342", "critical", "Buy a book is failing: Step 3 failed"),
        ("success", "resolve", "pingdom:2342", "info", "Buy a book is success: OK"),
        (
            "plain_state",
            "trigger",
            "pingdom:Shop over HTTPS",
            "critical",
            "Shop over HTTPS is down: Timeout (> 30s)",
        ),
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
        ("down", "up"),
        ("failing", "success"),
    ],
)
def test_a_recovery_closes_what_the_problem_opened(opening: str, closing: str) -> None:
    [opened] = parse(HEADERS, {}, payload(KIND, opening))
    [closed] = parse(HEADERS, {}, payload(KIND, closing))

    assert (opened.action, closed.action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key


@pytest.mark.parametrize("name", ["paused"])
def test_a_message_that_is_no_alert_is_ignored(name: str) -> None:
    with pytest.raises(Unsupported):
        parse(HEADERS, {}, payload(KIND, name))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "current_state"),
        (b'{"check_id": 1, "current_state": "countdown"}', "current_state"),
        (b'{"current_state": "DOWN"}', "check_id"),
        (b'{"check_id": 1, "previous_state": "DOWN"}', "current_state"),
    ],
)
def test_a_body_that_cannot_be_understood_names_its_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse(HEADERS, {}, body)

    assert list(caught.value.fields) == [field]


def test_everything_pingdom_said_is_kept() -> None:
    [event] = parse(HEADERS, {}, payload(KIND, "down"))

    assert event.source == "shop.example.com"
    assert event.description == "The server answered 502 Bad Gateway"
    assert event.links == [{"href": "https://shop.example.com/cart", "text": "Monitored address"}]
    assert event.occurred_at == datetime(2025, 7, 31, 22, 13, 20, tzinfo=UTC)
    assert event.details == json.loads(payload(KIND, "down"))


def test_a_form_is_read() -> None:
    body = urlencode({"check_id": "9", "check_name": "Mail", "current_state": "UP"}).encode()

    [event] = parse({"content-type": "application/x-www-form-urlencoded"}, {}, body)

    assert (event.action, event.dedup_key) == ("resolve", "pingdom:9")


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
