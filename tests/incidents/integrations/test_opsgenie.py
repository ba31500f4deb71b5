"""Opsgenie's Alert API."""

import json
from collections.abc import Mapping

import pytest

from incidents.intake.events import MAX_DESCRIPTION, MAX_SUMMARY, Event, InvalidPayload
from incidents.integrations.opsgenie import parse
from tests.incidents.integrations.fuzzing import fuzz, payload


def read(name: str) -> Event:
    [event] = parse({}, {}, payload("opsgenie", name))
    return event


def change(body: bytes = b"", **query: str) -> Event:
    [event] = parse({}, query, body)
    return event


def created(**fields: object) -> Event:
    [event] = parse({}, {}, json.dumps({"message": "Broken"} | fields).encode())
    return event


@pytest.mark.parametrize(
    ("name", "key", "severity", "priority", "source"),
    [
        ("create", "disk/db-1", "critical", "P1", "db-1"),
        # no priority: the label says how bad it is
        (
            "alertmanager_create",
            "0c4f5a1e4b3d9c2f7788aa99bb00cc11dd22ee33ff445566778899aabbccddee",
            "error",
            "",
            "http://alertmanager.example.com:9093/#/alerts?receiver=all",
        ),
    ],
)
def test_created_alert_opens(
    name: str, key: str, severity: str, priority: str, source: str
) -> None:
    e = read(name)

    assert (e.action, e.dedup_key, e.severity, e.priority, e.source) == (
        "trigger",
        key,
        severity,
        priority,
        source,
    )


def test_everything_else_that_was_said_is_kept() -> None:
    e = read("create")

    assert e.description == "97 % of /var is used.\nIt grows by 1 % an hour."
    assert e.details == {
        "entity": "db-1",
        "tags": ["disk", "production"],
        "details": {"mount": "/var", "severity": "info"},
        "responders": [
            {"name": "Storage", "type": "team"},
            {"username": "kim@example.com", "type": "user"},
        ],
        "visibleTo": [{"name": "Support", "type": "team"}],
        "actions": ["Restart", "Ping"],
        "priority": "P1",
        "source": "capacity-check",
        "user": "Kim",
        "note": "Seen on the wall first.",
    }


def test_source_that_is_an_address_becomes_a_link() -> None:
    assert read("alertmanager_create").links == [
        {
            "href": "http://alertmanager.example.com:9093/#/alerts?receiver=all",
            "text": "Source",
        }
    ]


@pytest.mark.parametrize(
    ("priority", "severity"),
    [("P1", "critical"), ("P2", "error"), ("P3", "warning"), ("P4", "info"), ("P5", "info")],
)
def test_priority_is_the_severity(priority: str, severity: str) -> None:
    e = created(priority=priority, details={"severity": "critical"})

    assert (e.severity, e.priority) == (severity, priority)


@pytest.mark.parametrize("priority", [None, "", "P9", "critical", 1, {"P1": 1}])
def test_without_a_priority_it_is_opsgenies_default(priority: object) -> None:
    e = created(priority=priority)

    assert (e.severity, e.priority) == ("warning", "")


def test_alerts_without_an_alias_are_different_alerts() -> None:
    assert read("bare_create").dedup_key != read("bare_create").dedup_key


def test_long_texts_are_shortened_not_refused() -> None:
    e = created(message="m" * 5000, description="d" * 90_000, alias="a" * 900)

    assert (len(e.summary), len(e.description), len(e.dedup_key)) == (
        MAX_SUMMARY,
        MAX_DESCRIPTION,
        512,
    )
    assert change(action="close", identifier="a" * 900).dedup_key == e.dedup_key


def test_description_as_long_as_opsgenie_takes_it_is_whole() -> None:
    assert created(description="d" * 15_000).description == "d" * 15_000


@pytest.mark.parametrize(
    ("action", "becomes"),
    [("close", "resolve"), ("delete", "resolve"), ("acknowledge", "acknowledge")],
)
def test_actions_on_an_alias_change_what_create_opened(action: str, becomes: str) -> None:
    e = change(action=action, identifier="disk/db-1", identifierType="alias")

    assert (e.action, e.dedup_key) == (becomes, read("create").dedup_key)


def test_who_closed_it_and_why_is_told() -> None:
    e = change(payload("opsgenie", "close"), action="close", identifier="disk/db-1")

    assert e.summary == "Old logs were removed. (Kim)"
    assert e.details == {
        "user": "Kim",
        "source": "capacity-check",
        "note": "Old logs were removed.",
    }


def test_delete_says_who_in_the_query() -> None:
    e = change(action="delete", identifier="x", user="Kim", source="script")

    assert (e.summary, e.details) == ("Kim", {"user": "Kim", "source": "script"})


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [
        ({}, b'{"message": " "}', "message"),
        ({}, b'{"alias": "x"}', "message"),
        ({"action": "snooze", "identifier": "x"}, b"{}", "action"),
        ({"action": "close"}, b"{}", "identifier"),
        ({"action": "close", "identifier": "7", "identifierType": "id"}, b"", "identifierType"),
    ],
)
def test_refusal_names_the_field(query: Mapping[str, str], body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({}, query, body)

    assert list(refused.value.fields) == [field]


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, "opsgenie")


def test_bad_input_of_a_close_is_refused_by_name() -> None:
    query = {"action": "close", "identifier": "x"}

    fuzz(lambda headers, _, body: parse(headers, query, body), "opsgenie", examples=100)
