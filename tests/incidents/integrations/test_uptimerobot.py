"""UptimeRobot: JSON, forms, and variables in the address."""

import json
from urllib.parse import urlencode

import pytest

from incidents.intake.events import InvalidPayload, Unsupported
from incidents.integrations.uptimerobot import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "uptimerobot"
HEADERS = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        (
            "down",
            "trigger",
            "uptimerobot:700100200",
            "critical",
            "Shop front is down: Connection Timeout",
        ),
        ("up", "resolve", "uptimerobot:700100200", "info", "Shop front is up: HTTP 200 - OK"),
        (
            "certificate",
            "trigger",
            "uptimerobot:700100200:certificate",
            "warning",
            "Shop front: SSL expiry",
        ),
        ("by_name", "trigger", "uptimerobot:Shop front", "critical", "Shop front is down"),
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
        (b"{}", "alertType"),
        (b'{"alertType": "1"}', "monitorID"),
        (b'{"monitorID": 5}', "alertType"),
        (b"", "alertType"),
    ],
)
def test_a_body_that_cannot_be_understood_names_its_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse(HEADERS, {}, body)

    assert list(caught.value.fields) == [field]


@pytest.mark.parametrize("name", ["down", "up", "certificate"])
def test_a_form_says_the_same_as_json(name: str) -> None:
    fields = json.loads(payload(KIND, name))
    form = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}

    from_form = parse(form, {}, urlencode(fields).encode())

    assert from_form == parse(HEADERS, {}, payload(KIND, name))


def test_variables_in_the_address_are_read_without_its_key() -> None:
    fields = json.loads(payload(KIND, "down"))
    del fields["monitorAlertContacts"]

    [event] = parse({}, {**fields, "integrationKey": "secret"}, b"")

    assert (event.action, event.dedup_key) == ("trigger", "uptimerobot:700100200")
    assert event.details == fields


def test_another_monitor_has_another_key() -> None:
    other = json.dumps({**json.loads(payload(KIND, "down")), "monitorID": "700100201"})

    [event] = parse(HEADERS, {}, other.encode())

    assert event.dedup_key == "uptimerobot:700100201"


def test_an_alert_type_of_the_future_opens_an_incident_of_its_own() -> None:
    body = b'{"monitorID": "7", "alertType": "12", "alertTypeFriendlyName": "Domain expiry"}'

    [event] = parse(HEADERS, {}, body)

    assert (event.action, event.severity) == ("trigger", "warning")
    assert event.dedup_key == "uptimerobot:7:domain-expiry"


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
