"""Google Cloud Monitoring: the webhook and the Pub/Sub push."""

import pytest

from incidents.intake.events import Event, InvalidPayload
from incidents.integrations.google_cloud_monitoring import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "google-cloud-monitoring"


def only(name: str) -> Event:
    [event] = parse({}, {}, payload(KIND, name))
    return event


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        (
            "open",
            "trigger",
            "0.opqrstuvwxyz",
            "critical",
            "Checkout latency: Latency of checkout is above 2.0 with a value of 3.4.",
        ),
        (
            "closed",
            "resolve",
            "0.opqrstuvwxyz",
            "critical",
            "Checkout latency: Latency of checkout is above 2.0 with a value of 3.4.",
        ),
        (
            "pubsub_open",
            "trigger",
            "0.opqrstuvwxyz",
            "critical",
            "Checkout latency: Latency of checkout is above 2.0 with a value of 3.4.",
        ),
        (
            "without_id_open",
            "trigger",
            "gcp-Batch latency-shop-example checkout",
            "warning",
            "Batch latency: Latency of checkout is above 2.0 with a value of 3.4.",
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
        ("open", "closed"),
        ("pubsub_open", "pubsub_closed"),
        ("open", "pubsub_closed"),
        ("without_id_open", "without_id_closed"),
    ],
)
def test_recovery_carries_the_key_of_what_it_closes(opens: str, closes: str) -> None:
    first, second = only(opens), only(closes)

    assert (first.action, second.action) == ("trigger", "resolve")
    assert first.dedup_key == second.dedup_key


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "incident"),
        (b'{"incident": "x"}', "incident"),
        (b'{"incident": {"state": "open"}}', "incident.incident_id"),
        (b'{"message": {"data": "%%%"}}', "message.data"),
        (b'{"message": {"data": "aGVsbG8="}}', "message.data"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        parse({}, {}, body)

    assert field in refusal.value.fields


def test_moments_are_those_of_opening_and_closing() -> None:
    opened, closed = only("open").occurred_at, only("closed").occurred_at

    assert opened is not None
    assert closed is not None
    assert (closed - opened).total_seconds() == 1800


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
