"""Alertmanager's webhook: keys that outlive a change of words, and groups of nothing."""

import json
from typing import Any

import pytest

from incidents.intake.events import InvalidPayload
from incidents.integrations.prometheus import parse
from incidents.models import Incident
from incidents.services.intake import receive_events
from incidents.services.received import Received
from tests.factories import ServiceFactory

LABELS = {"alertname": "DiskFull", "instance": "db-1:9100", "severity": "critical"}


def group(status: str, summary: str, **fields: Any) -> bytes:
    """One group of one alert; None leaves a field out."""
    alert = {"status": status, "labels": LABELS, "annotations": {"summary": summary}} | fields
    kept = {name: value for name, value in alert.items() if value is not None}
    return json.dumps({"version": "4", "status": status, "alerts": [kept]}).encode()


@pytest.mark.django_db
@pytest.mark.parametrize("fingerprint", ["c2b1f1b2ad05b2b1", None])
def test_t11_resolved_finds_its_incident_although_its_words_changed(
    fingerprint: str | None,
) -> None:
    service = ServiceFactory()
    for status, summary in (
        ("firing", "91 % used"),
        ("firing", "97 % used"),
        ("resolved", "40 % used"),
    ):
        (event,) = parse({}, {}, group(status, summary, fingerprint=fingerprint))
        receive_events([Received(event, service.pk, None, "Alertmanager")])

    (incident,) = Incident.objects.all()
    assert incident.status == Incident.Status.RESOLVED


@pytest.mark.parametrize("body", [b'{"alerts": []}', b'{"version": "4"}', b'{"alerts": null}'])
def test_t11_a_group_without_alerts_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({}, {}, body)

    assert "alerts" in refused.value.fields


def test_the_parts_of_an_alert_are_kept() -> None:
    (event,) = parse({}, {}, group("firing", "91 % used", generatorURL="https://prom.example/g"))

    assert (event.severity, event.source) == ("critical", "db-1:9100")
    assert event.details["labels"] == LABELS
    assert [link["text"] for link in event.links] == ["Graph"]
