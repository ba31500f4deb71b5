"""Zabbix: the documented script, and older spellings."""

import json
from datetime import UTC, datetime

import pytest

from incidents.intake.events import InvalidPayload, Unsupported
from incidents.integrations.zabbix import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "zabbix"
HEADERS = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        ("problem", "trigger", "zabbix:8842", "error", "db-1: Disk /var is almost full"),
        ("resolved", "resolve", "zabbix:8842", "info", "db-1: Disk /var is almost full"),
        ("disaster", "trigger", "zabbix:8843", "critical", "db-1: Disk /var is almost full"),
        (
            "update_acknowledged",
            "acknowledge",
            "zabbix:8842",
            "error",
            "db-1: Disk /var is almost full",
        ),
        ("camel", "trigger", "zabbix:8850", "warning", "192.0.2.20: Load is high"),
        (
            "by_subject",
            "trigger",
            "zabbix:problem:db-1:Load is high",
            "critical",
            "db-1: Load is high",
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
        ("problem", "resolved"),
        ("camel", "camel_resolved"),
        ("by_subject", "by_subject_resolved"),
    ],
)
def test_a_recovery_closes_what_the_problem_opened(opening: str, closing: str) -> None:
    [opened] = parse(HEADERS, {}, payload(KIND, opening))
    [closed] = parse(HEADERS, {}, payload(KIND, closing))

    assert (opened.action, closed.action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key


@pytest.mark.parametrize("name", ["update_comment", "discovery"])
def test_a_message_that_is_no_alert_is_ignored(name: str) -> None:
    with pytest.raises(Unsupported):
        parse(HEADERS, {}, payload(KIND, name))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "event_value"),
        (b'{"event_value": "1"}', "event_id"),
        (b'{"event_id": "{EVENT.ID}", "event_value": "1"}', "event_id"),
        (b'{"event_id": 1, "event_status": "UNRESOLVED"}', "event_value"),
    ],
)
def test_a_body_that_cannot_be_understood_names_its_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse(HEADERS, {}, body)

    assert list(caught.value.fields) == [field]


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ({"action": "ACK"}, "acknowledge"),
        ({"action": "RESOLVED"}, "resolve"),
        ({"action": "UPDATE", "ack_status": "No", "event_ack_status": "Yes"}, "acknowledge"),
        ({"trigger_status": "OK"}, "resolve"),
        ({"event_value": 0}, "resolve"),
        ({"event_value": 1, "event_ack_status": "Yes"}, "trigger"),
    ],
)
def test_the_action_comes_from_exact_words(fields: dict[str, object], action: str) -> None:
    body = json.dumps({"event_id": 3, **fields})

    [event] = parse(HEADERS, {}, body.encode())

    assert event.action == action


def test_a_removed_acknowledgement_does_not_acknowledge() -> None:
    body = {"event_id": 3, "event_update_status": "1", "event_update_action": "unacknowledged"}

    with pytest.raises(Unsupported):
        parse(HEADERS, {}, json.dumps(body).encode())


def test_everything_zabbix_said_is_kept() -> None:
    [event] = parse(HEADERS, {}, payload(KIND, "problem"))

    assert event.source == "db-1"
    assert event.description == "Problem started at 22:13:20 \nHost: db-1"
    assert event.occurred_at == datetime(2025, 7, 31, 22, 13, 20, tzinfo=UTC)
    href = "https://zabbix.example.com/tr_events.php?triggerid=19001&eventid=8842"
    assert event.links == [{"href": href, "text": "Zabbix"}]


def test_only_the_subjects_own_words_are_taken_off_the_name() -> None:
    body = {"title": "Resolved in 5m: Disk problem: /var", "event_id": 3, "event_value": 0}

    [event] = parse(HEADERS, {}, json.dumps(body).encode())

    assert event.summary == "Disk problem: /var"


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
