"""Icinga 2: as Nagios, and a service keeps its key while its host is down."""

import json

import pytest

from incidents.intake.events import InvalidPayload, Unsupported
from incidents.integrations.icinga import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "icinga"
HEADERS = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        (
            "service_problem",
            "trigger",
            "icinga:db-1:disk",
            "critical",
            "disk on db-1 is CRITICAL: DISK CRITICAL - 2% left",
        ),
        (
            "service_problem_host_down",
            "trigger",
            "icinga:db-1:disk",
            "critical",
            "disk on db-1 is CRITICAL: DISK CRITICAL - 2% left",
        ),
        (
            "service_recovery_host_down",
            "resolve",
            "icinga:db-1:disk",
            "info",
            "disk on db-1 is OK: DISK OK",
        ),
        (
            "acknowledgement",
            "acknowledge",
            "icinga:db-1:disk",
            "critical",
            "disk on db-1 is CRITICAL: DISK CRITICAL - 2% left",
        ),
        ("host_problem", "trigger", "icinga:db-1", "critical", "db-1 is DOWN: unreachable"),
        ("host_recovery", "resolve", "icinga:db-1", "info", "db-1 is UP: PING OK"),
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
        ("service_problem", "service_recovery_host_down"),
        ("host_problem", "host_recovery"),
    ],
)
def test_a_recovery_closes_what_the_problem_opened(opening: str, closing: str) -> None:
    [opened] = parse(HEADERS, {}, payload(KIND, opening))
    [closed] = parse(HEADERS, {}, payload(KIND, closing))

    assert (opened.action, closed.action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key


@pytest.mark.parametrize("name", ["downtime", "custom"])
def test_a_message_that_is_no_alert_is_ignored(name: str) -> None:
    with pytest.raises(Unsupported):
        parse(HEADERS, {}, payload(KIND, name))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "host_name"),
        (b'{"host_name": "a"}', "notification_type"),
    ],
)
def test_a_body_that_cannot_be_understood_names_its_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse(HEADERS, {}, body)

    assert list(caught.value.fields) == [field]


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
