"""Nagios: macros under any spelling, keyed on host and service."""

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from incidents.intake.events import InvalidPayload, Unsupported
from incidents.integrations.nagios import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "nagios"
HEADERS = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        (
            "service_problem",
            "trigger",
            "nagios:db-1:Disk /var",
            "critical",
            "Disk /var on db-1 is CRITICAL: DISK CRITICAL - 2% left",
        ),
        (
            "service_recovery",
            "resolve",
            "nagios:db-1:Disk /var",
            "info",
            "Disk /var on db-1 is OK: DISK OK - 60% left",
        ),
        (
            "service_warning",
            "trigger",
            "nagios:db-1:Load",
            "warning",
            "Load on db-1 is WARNING: load 9.1",
        ),
        (
            "service_unknown",
            "trigger",
            "nagios:db-1:NTP",
            "error",
            "NTP on db-1 is UNKNOWN: no answer",
        ),
        (
            "acknowledgement",
            "acknowledge",
            "nagios:db-1:Disk /var",
            "critical",
            "Disk /var on db-1 is CRITICAL: DISK CRITICAL - 2% left",
        ),
        (
            "host_problem",
            "trigger",
            "nagios:db-1",
            "critical",
            "db-1 is DOWN: CRITICAL - Host unreachable",
        ),
        ("host_recovery", "resolve", "nagios:db-1", "info", "db-1 is UP: PING OK"),
        ("host_unreachable", "trigger", "nagios:db-2", "error", "db-2 is UNREACHABLE"),
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
        ("service_problem", "service_recovery"),
        ("host_problem", "host_recovery"),
    ],
)
def test_a_recovery_closes_what_the_problem_opened(opening: str, closing: str) -> None:
    [opened] = parse(HEADERS, {}, payload(KIND, opening))
    [closed] = parse(HEADERS, {}, payload(KIND, closing))

    assert (opened.action, closed.action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key


@pytest.mark.parametrize("name", ["downtime", "flapping", "custom"])
def test_a_message_that_is_no_alert_is_ignored(name: str) -> None:
    with pytest.raises(Unsupported):
        parse(HEADERS, {}, payload(KIND, name))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "host_name"),
        (b'{"host_name": "a"}', "notification_type"),
        (b'{"host_name": "$HOSTNAME$", "host_state": "DOWN"}', "host_name"),
        (b'{"host_name": "a", "host_state": "markdown"}', "notification_type"),
    ],
)
def test_a_body_that_cannot_be_understood_names_its_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse(HEADERS, {}, body)

    assert list(caught.value.fields) == [field]


@pytest.mark.parametrize(
    "type_",
    [
        "DOWNTIMESTART",
        "DOWNTIMEEND",
        "DOWNTIMECANCELLED",
        "FLAPPINGSTART",
        "FLAPPINGSTOP",
        "CUSTOM",
    ],
)
def test_downtime_flapping_and_custom_notifications_page_nobody(type_: str) -> None:
    body = {"notification_type": type_, "host_name": "a", "host_state": "DOWN"}

    with pytest.raises(Unsupported):
        parse(HEADERS, {}, json.dumps(body).encode())


@pytest.mark.parametrize("spelling", ["host_name", "HOSTNAME", "hostName", "NAGIOS_HOSTNAME"])
def test_macros_are_read_under_any_spelling(spelling: str) -> None:
    body = {spelling: "db-1", "NAGIOS_HOSTSTATE": "DOWN"}

    [event] = parse(HEADERS, {}, json.dumps(body).encode())

    assert event.dedup_key == "nagios:db-1"


def test_a_form_says_the_same_as_json() -> None:
    fields = json.loads(payload(KIND, "host_recovery"))
    form = {"content-type": "application/x-www-form-urlencoded"}

    [event] = parse(form, {}, urlencode(fields).encode())

    assert (event.action, event.dedup_key) == ("resolve", "nagios:db-1")


def test_output_time_and_notes_are_kept() -> None:
    [event] = parse(HEADERS, {}, payload(KIND, "service_problem"))

    assert event.description == "/var 2%\n/tmp 40%"
    assert event.occurred_at == datetime(2025, 7, 31, 22, 13, 20, tzinfo=UTC)
    assert event.links == [{"href": "https://wiki.example.com/disk", "text": "Notes"}]


def test_each_host_and_each_service_has_a_key_of_its_own() -> None:
    bodies = [
        {"host_name": "a", "host_state": "DOWN"},
        {"host_name": "b", "host_state": "DOWN"},
        {"host_name": "a", "service_desc": "b-c", "service_state": "CRITICAL"},
        {"host_name": "a-b", "service_desc": "c", "service_state": "CRITICAL"},
        {"host_name": "a:b", "service_desc": "c", "service_state": "CRITICAL"},
    ]

    keys = [parse(HEADERS, {}, json.dumps(body).encode())[0].dedup_key for body in bodies]

    assert len(set(keys)) == len(bodies)


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
