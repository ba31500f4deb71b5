"""New Relic: issues of workflows, and the older incidents."""

import pytest

from incidents.intake.events import Event, InvalidPayload
from incidents.integrations.newrelic import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "newrelic"


def only(name: str) -> Event:
    [event] = parse({}, {}, payload(KIND, name))
    return event


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        (
            "issue_activated",
            "trigger",
            "newrelic-5a5a5a5a-0000-1111-2222-333333333333",
            "critical",
            "Error rate above 5 % on 'checkout'",
        ),
        (
            "issue_created",
            "trigger",
            "newrelic-5a5a5a5a-0000-1111-2222-333333333333",
            "critical",
            "Error rate above 5 % on 'checkout'",
        ),
        (
            "issue_one_incident_closed",
            "trigger",
            "newrelic-5a5a5a5a-0000-1111-2222-333333333333",
            "critical",
            "Error rate above 5 % on 'checkout'",
        ),
        (
            "issue_acknowledged",
            "acknowledge",
            "newrelic-5a5a5a5a-0000-1111-2222-333333333333",
            "critical",
            "Error rate above 5 % on 'checkout'",
        ),
        (
            "issue_investigating",
            "acknowledge",
            "newrelic-5a5a5a5a-0000-1111-2222-333333333333",
            "critical",
            "Error rate above 5 % on 'checkout'",
        ),
        ("incident_open", "trigger", "newrelic-12345", "warning", "Apdex below 0.8 for 5 minutes"),
        (
            "incident_acknowledged",
            "acknowledge",
            "newrelic-12345",
            "warning",
            "Apdex below 0.8 for 5 minutes",
        ),
        ("nested_open", "trigger", "newrelic-55", "critical", "Slow pages"),
        (
            "apm_open",
            "trigger",
            "newrelic-0baa321e4969f162e8a3dff5bb7eaa53",
            "critical",
            "Throughput",
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
        ("issue_activated", "issue_closed"),
        ("incident_open", "incident_closed"),
        ("incident_open", "event_type_resolved"),
        ("nested_open", "nested_closed"),
        ("apm_open", "apm_closed"),
    ],
)
def test_recovery_carries_the_key_of_what_it_closes(opens: str, closes: str) -> None:
    first, second = only(opens), only(closes)

    assert (first.action, second.action) == ("trigger", "resolve")
    assert first.dedup_key == second.dedup_key


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "id"),
        (b'{"id": {}, "state": "ACTIVATED"}', "id"),
        (b"[]", "body"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        parse({}, {}, body)

    assert field in refusal.value.fields


def test_incident_says_what_is_hit_and_when() -> None:
    event = only("incident_open")

    assert event.source == "shop-web"
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-11-23T09:00:00+00:00"
    assert [link["text"] for link in event.links] == ["Incident", "Runbook"]


def test_entities_of_one_condition_are_apart() -> None:
    bodies = [
        f'{{"condition_name": "Apdex", "targets": [{{"name": "{name}"}}]}}'.encode()
        for name in ("web", "api")
    ]

    keys = {parse({}, {}, body)[0].dedup_key for body in bodies}

    assert len(keys) == 2


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
