"""Grafana's webhooks, unified and legacy."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from incidents.intake.events import InvalidPayload, Unsupported
from incidents.integrations.grafana import parse
from tests.incidents.integrations.fuzzing import fuzz, payload


def read(body: bytes) -> list[tuple[str, str, str, str]]:
    return [(e.action, e.dedup_key, e.severity, e.summary) for e in parse({}, {}, body)]


@pytest.mark.parametrize(
    ("name", "event"),
    [
        (
            "unified_firing",
            ("trigger", "grafana:9b1f0c2d3e4a5b6c", "error", "Orders wait 9 minutes"),
        ),
        (
            "unified_resolved",
            ("resolve", "grafana:9b1f0c2d3e4a5b6c", "error", "Orders wait 0 minutes"),
        ),
        ("legacy_alerting", ("trigger", "grafana:rule:31", "critical", "Disk nearly full")),
        ("legacy_no_data", ("trigger", "grafana:rule:31", "warning", "Disk nearly full")),
        ("legacy_ok", ("resolve", "grafana:rule:31", "info", "Disk nearly full")),
    ],
)
def test_body_becomes_event(name: str, event: tuple[str, str, str, str]) -> None:
    assert read(payload("grafana", name)) == [event]


def test_each_alert_of_a_group_has_its_own_state_and_key() -> None:
    first, second = read(payload("grafana", "unified_two_alerts"))

    assert first[:2] == ("resolve", "grafana:9b1f0c2d3e4a5b6c")
    # Without a label for severity it is critical, as it always was.
    assert second[:3] == ("trigger", "grafana:0a0b0c0d0e0f0001", "critical")


def test_alert_keeps_what_people_need() -> None:
    [event] = parse({}, {}, payload("grafana", "unified_firing"))

    assert event.source == "mq-2.example.com"
    assert event.description == "The queue grows.\nLook at the consumers."
    assert event.occurred_at == datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)
    assert {link["text"] for link in event.links} == {"Rule", "Silence", "Runbook", "Grafana"}


def changed(name: str, **fields: Any) -> bytes:
    return json.dumps(json.loads(payload("grafana", name)) | fields).encode()


def test_labels_are_the_key_where_there_is_no_fingerprint() -> None:
    labels = {"alertname": "Down", "instance": "a.example.com"}
    firing = {"status": "firing", "labels": labels, "annotations": {"summary": "It is down"}}
    elsewhere = firing | {"labels": labels | {"instance": "b.example.com"}}
    resolved = firing | {"status": "resolved", "annotations": {"summary": "It is up"}}

    one, two, three = read(changed("unified_firing", alerts=[firing, elsewhere, resolved]))

    assert one[1] == three[1]
    assert one[1] != two[1]
    assert (one[0], three[0]) == ("trigger", "resolve")


def test_rule_without_a_number_keeps_its_key_when_the_title_says_ok() -> None:
    nameless = {"ruleId": None, "ruleName": None}

    [firing] = read(changed("legacy_alerting", **nameless))
    [resolved] = read(changed("legacy_ok", **nameless))

    assert firing[1] == resolved[1] == "grafana:name:Disk nearly full"


def test_wrong_types_where_they_do_not_matter_lose_nothing() -> None:
    alert = {"fingerprint": "f1", "labels": [1], "annotations": "x", "startsAt": 5, "values": 1}

    assert read(changed("unified_firing", alerts=["x", alert]))[0][:2] == ("trigger", "grafana:f1")


def test_alert_without_identity_does_not_lose_its_neighbours() -> None:
    body = changed("unified_firing", alerts=[{}, {"fingerprint": "f1"}])

    assert [event[1] for event in read(body)] == ["grafana:f1"]


def test_more_alerts_than_a_group_can_have_are_refused() -> None:
    with pytest.raises(InvalidPayload, match="at most"):
        parse({}, {}, changed("unified_firing", alerts=[{"fingerprint": "f1"}] * 5_001))


def test_pending_rule_is_no_alert() -> None:
    with pytest.raises(Unsupported):
        parse({}, {}, payload("grafana", "legacy_pending"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "state"),
        (b'{"state": "unresolved", "ruleId": 1}', "state"),
        (b'{"state": "alerting"}', "ruleId"),
        (b'{"alerts": []}', "alerts"),
        (b'{"alerts": "none"}', "alerts"),
        (b'{"alerts": [{}]}', "alerts.fingerprint"),
        (b"[]", "body"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({}, {}, body)

    assert field in refused.value.fields


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, "grafana")
