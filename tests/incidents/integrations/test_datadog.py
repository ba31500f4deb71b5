"""Datadog's webhooks, whose payload is written by their owner."""

import pytest

from incidents.intake.events import Event, InvalidPayload
from incidents.integrations.datadog import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "datadog"


def only(name: str) -> Event:
    [event] = parse({}, {}, payload(KIND, name))
    return event


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        ("triggered", "trigger", "6789012345", "critical", "CPU is high"),
        ("re_triggered", "trigger", "6789012345", "error", "CPU is high"),
        ("warn", "trigger", "6789012345", "warning", "CPU is high"),
        ("no_data", "trigger", "6789012345", "error", "CPU is high"),
        ("recovered", "resolve", "6789012345", "critical", "CPU is high"),
        (
            "proposed_template_triggered",
            "trigger",
            "datadog-f1e149f30a1cceb55d42dde7c78f5f2b",
            "warning",
            "CPU is high",
        ),
        (
            "upper_case_triggered",
            "trigger",
            "datadog-alert-77-queue:mail",
            "warning",
            "Queue is long",
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
        ("triggered", "recovered"),
        ("proposed_template_triggered", "proposed_template_recovered"),
        ("upper_case_triggered", "upper_case_recovered"),
    ],
)
def test_recovery_carries_the_key_of_what_it_closes(opens: str, closes: str) -> None:
    first, second = only(opens), only(closes)

    assert (first.action, second.action) == ("trigger", "resolve")
    assert first.dedup_key == second.dedup_key


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "title"),
        (b"[]", "body"),
        (b'{"title": ["x"], "id": 3}', "title"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        parse({}, {}, body)

    assert field in refusal.value.fields


def test_every_object_of_a_list_is_an_event() -> None:
    events = parse({}, {}, payload(KIND, "list"))

    assert [(event.action, event.dedup_key) for event in events] == [
        ("trigger", "disk-1"),
        ("resolve", "disk-2"),
        ("resolve", "datadog-alert-31"),
        ("trigger", "datadog-monitor-32"),
    ]


def test_form_is_read_like_json() -> None:
    body = b"ALERT_TRANSITION=Recovered&ALERT_ID=77&ALERT_SCOPE=queue%3Amail&EVENT_TITLE=Queue"
    headers = {"content-type": "application/x-www-form-urlencoded"}

    [event] = parse(headers, {}, body)

    assert (event.action, event.dedup_key) == ("resolve", only("upper_case_triggered").dedup_key)


@pytest.mark.parametrize("transition", ["Unresolved", "not ok", "Slowdown", ""])
def test_only_exact_words_resolve(transition: str) -> None:
    body = f'{{"alert_transition": "{transition}", "alert_id": 1}}'.encode()

    [event] = parse({}, {}, body)

    assert event.action == "trigger"


def test_hosts_of_one_monitor_are_apart() -> None:
    bodies = [f'{{"title": "[Triggered on {{host:{h}}}] CPU"}}'.encode() for h in ("a", "b")]

    keys = {parse({}, {}, body)[0].dedup_key for body in bodies}

    assert len(keys) == 2


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
