"""Amazon CloudWatch: alarms in SNS, bare, and from EventBridge."""

import pytest

from incidents.intake.events import Event, InvalidPayload, Unsupported
from incidents.integrations.cloudwatch import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "cloudwatch"


def only(name: str) -> Event:
    [event] = parse({}, {}, payload(KIND, name))
    return event


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        (
            "alarm",
            "trigger",
            "cloudwatch-111122223333-EU (Frankfurt)-orders-db-cpu",
            "critical",
            "orders-db-cpu: CPU of the orders database",
        ),
        (
            "ok",
            "resolve",
            "cloudwatch-111122223333-EU (Frankfurt)-orders-db-cpu",
            "info",
            "orders-db-cpu: CPU of the orders database",
        ),
        (
            "direct_alarm",
            "trigger",
            "cloudwatch-111122223333-EU (Frankfurt)-orders-db-cpu",
            "warning",
            "orders-db-cpu: WARNING: CPU of the orders database",
        ),
        (
            "low_space",
            "trigger",
            "cloudwatch-111122223333-EU (Frankfurt)-orders-db-space",
            "critical",
            "orders-db-space: Free space too low",
        ),
        (
            "eventbridge_alarm",
            "trigger",
            "cloudwatch-111122223333-eu-central-1-queue-age",
            "critical",
            "queue-age: Age of the oldest order",
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
        ("alarm", "ok"),
        ("direct_alarm", "direct_ok"),
        ("eventbridge_alarm", "eventbridge_ok"),
    ],
)
def test_recovery_carries_the_key_of_what_it_closes(opens: str, closes: str) -> None:
    first, second = only(opens), only(closes)

    assert (first.action, second.action) == ("trigger", "resolve")
    assert first.dedup_key == second.dedup_key


@pytest.mark.parametrize(
    "name",
    [
        "insufficient_data",
        "subscription_confirmation",
        "unsubscribe_confirmation",
    ],
)
def test_what_is_no_alert_opens_nothing(name: str) -> None:
    with pytest.raises(Unsupported):
        parse({}, {}, payload(KIND, name))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "AlarmName"),
        (b'{"AlarmName": {}}', "AlarmName"),
        (b'{"Type": "Notification", "Message": "hello"}', "Message"),
        (b"[]", "body"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        parse({}, {}, body)

    assert field in refusal.value.fields


def test_confirmation_is_recognised_by_its_header() -> None:
    with pytest.raises(Unsupported):
        parse({"x-amz-sns-message-type": "SubscriptionConfirmation"}, {}, b"{}")


def test_alarm_says_what_is_measured_and_when_and_where_to_look() -> None:
    event = only("alarm")

    assert event.source == "orders-db"
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-11-23T09:01:02.345000+00:00"
    assert event.links[0]["href"].endswith("?region=eu-central-1#alarmsV2:alarm/orders-db-cpu")


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
