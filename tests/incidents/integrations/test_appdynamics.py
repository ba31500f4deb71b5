"""AppDynamics' HTTP request templates, written by their owner."""

import pytest

from incidents.intake.events import Event, InvalidPayload
from incidents.integrations.appdynamics import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "appdynamics"


def only(name: str) -> Event:
    [event] = parse({}, {}, payload(KIND, name))
    return event


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        ("open_critical", "trigger", "880", "critical", "Response time of checkout"),
        ("close_critical", "resolve", "880", "critical", "Response time of checkout"),
        ("canceled_warning", "resolve", "880", "warning", "Response time of checkout"),
        (
            "health_rule_open",
            "trigger",
            "appdynamics-cad64656b5a621efe815f2feb4160508",
            "warning",
            "health_rule_open of Heap",
        ),
        ("details_trigger", "trigger", "node-2 - Shop", "warning", "Slow calls"),
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
        ("open_critical", "close_critical"),
        ("open_critical", "canceled_warning"),
        ("health_rule_open", "health_rule_close"),
        ("details_trigger", "details_resolve"),
        ("details_trigger", "details_always_trigger"),
    ],
)
def test_recovery_carries_the_key_of_what_it_closes(opens: str, closes: str) -> None:
    first, second = only(opens), only(closes)

    assert (first.action, second.action) == ("trigger", "resolve")
    assert first.dedup_key == second.dedup_key


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "summary"),
        (b'{"summary": {}, "incidentId": []}', "summary"),
        (b"[]", "body"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        parse({}, {}, body)

    assert field in refusal.value.fields


@pytest.mark.parametrize("event_type", ["CLOSENESS", "POLICY_OPEN_UNRESOLVED", "DISCLOSED"])
def test_only_exact_words_resolve(event_type: str) -> None:
    body = f'{{"eventType": "{event_type}", "incidentId": 1}}'.encode()

    [event] = parse({}, {}, body)

    assert event.action == "trigger"


def test_alerts_of_one_application_are_apart() -> None:
    bodies = [f'{{"application": "Shop", "summary": "{s}"}}'.encode() for s in ("Heap", "CPU")]

    keys = {parse({}, {}, body)[0].dedup_key for body in bodies}

    assert len(keys) == 2


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
