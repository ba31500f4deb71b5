"""Splunk Observability Cloud's webhooks."""

from datetime import UTC, datetime

import pytest

from incidents.intake.events import Event, InvalidPayload
from incidents.integrations.splunk_observability import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "splunk-observability"


def read(name: str) -> Event:
    [event] = parse({}, {}, payload(KIND, name))
    return event


@pytest.mark.parametrize(
    ("name", "event"),
    [
        (
            "anomalous",
            ("trigger", "splunk:Iii0007", "error", "Major Alert: Checkout is slow (Latency)"),
        ),
        ("short_triggered", ("trigger", "splunk:Iii0008", "critical", "Disk is full")),
        # The detector, and the rule if it is named: the best that is left.
        (
            "short_without_incident",
            ("trigger", "splunk:detector:Ddd0002:", "critical", "Disk is full"),
        ),
    ],
)
def test_alert_opens(name: str, event: tuple[str, str, str, str]) -> None:
    e = read(name)

    assert (e.action, e.dedup_key, e.severity, e.summary) == event


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("anomalous", "ok"),
        ("anomalous", "stopped"),
        ("anomalous", "manually_resolved"),
        ("short_triggered", "short_resolved"),
    ],
)
def test_clearing_closes_what_the_alert_opened(bad: str, good: str) -> None:
    opened, closed = read(bad), read(good)

    assert (opened.action, closed.action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key


def test_alert_keeps_what_people_need() -> None:
    e = read("anomalous")

    assert e.source == "web-1.example.com"
    assert e.occurred_at == datetime(2026, 1, 10, 10, tzinfo=UTC)
    assert [link["text"] for link in e.links] == ["Detector", "Runbook"]


def test_refusal_names_the_field() -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({}, {}, b'{"severity": "Critical"}')

    assert list(refused.value.fields) == ["incidentId"]


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
