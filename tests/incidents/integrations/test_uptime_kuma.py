"""Uptime Kuma: down and up; pending and maintenance page nobody."""

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from incidents.intake.events import InvalidPayload, Unsupported
from incidents.integrations.uptime_kuma import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "uptime-kuma"
HEADERS = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        (
            "down",
            "trigger",
            "uptime-kuma:12",
            "critical",
            "Shop front is down: Request failed with status code 503",
        ),
        ("up", "resolve", "uptime-kuma:12", "info", "Shop front is up: 200 - OK"),
        (
            "ping_down",
            "trigger",
            "uptime-kuma:13",
            "critical",
            "Gateway is down: ping: example unreachable",
        ),
        (
            "pagertree_create",
            "trigger",
            "uptime-kuma:12",
            "critical",
            "Shop front is down: Request failed with status code 503",
        ),
        (
            "pagertree_resolve",
            "resolve",
            "uptime-kuma:12",
            "info",
            "Shop front is up: Request failed with status code 503",
        ),
        ("template", "trigger", "uptime-kuma:Shop front", "critical", "Shop front is down: 503"),
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
        ("pagertree_create", "pagertree_resolve"),
    ],
)
def test_a_recovery_closes_what_the_problem_opened(opening: str, closing: str) -> None:
    [opened] = parse(HEADERS, {}, payload(KIND, opening))
    [closed] = parse(HEADERS, {}, payload(KIND, closing))

    assert (opened.action, closed.action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key


@pytest.mark.parametrize("name", ["pending", "maintenance", "test"])
def test_a_message_that_is_no_alert_is_ignored(name: str) -> None:
    with pytest.raises(Unsupported):
        parse(HEADERS, {}, payload(KIND, name))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"heartbeat": {"monitorID": 1, "status": 7}}', "heartbeat.status"),
        (b'{"status": "countdown", "name": "a"}', "heartbeat.status"),
        (b'{"heartbeat": {"status": 0}}', "monitor.id"),
        (b"[]", "body"),
    ],
)
def test_a_body_that_cannot_be_understood_names_its_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse(HEADERS, {}, body)

    assert list(caught.value.fields) == [field]


def test_a_certificate_that_expires_soon_is_one_warning_however_often_it_is_said() -> None:
    body = payload(KIND, "certificate")

    [event] = parse(HEADERS, {}, body)
    [later] = parse(HEADERS, {}, body.replace(b"14 days", b"7 days"))

    assert (event.action, event.severity) == ("trigger", "warning")
    assert event.summary.endswith("shop.example.com will expire in 14 days")
    assert later.dedup_key == event.dedup_key
    assert event.dedup_key.startswith("uptime-kuma:expiry:")


def test_kumas_form_data_says_the_same_as_json() -> None:
    part = b'--B7\r\nContent-Disposition: form-data; name="data"\r\n\r\n'
    body = part + payload(KIND, "down") + b"\r\n--B7--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=B7"}

    assert parse(headers, {}, body) == parse(HEADERS, {}, payload(KIND, "down"))


def test_a_urlencoded_data_field_says_the_same_as_json() -> None:
    body = urlencode({"data": payload(KIND, "up").decode()}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}

    assert parse(headers, {}, body) == parse(HEADERS, {}, payload(KIND, "up"))


def test_times_without_a_zone_are_utc() -> None:
    [event] = parse(HEADERS, {}, payload(KIND, "down"))

    assert event.occurred_at == datetime(2025, 7, 31, 22, 13, 20, 456000, tzinfo=UTC)


def test_a_monitor_without_an_address_has_no_link() -> None:
    [event] = parse(HEADERS, {}, payload(KIND, "ping_down"))

    assert (event.source, event.links) == ("gw.example.com", [])


@pytest.mark.parametrize(("status", "action"), [("✅ Up", "resolve"), ("1", "resolve")])
def test_a_template_may_write_the_status_in_words(status: str, action: str) -> None:
    body = json.dumps({"monitor": {"id": 4}, "status": status})

    [event] = parse(HEADERS, {}, body.encode())

    assert event.action == action


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
