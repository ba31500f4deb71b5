"""Words for tests of storms and flapping: a flood of events, and what became of them."""

from datetime import timedelta
from typing import Any

import pytest

from incidents.intake.events import Event
from incidents.models import Incident, Service, StormMember, TimelineEntry
from incidents.services.intake import Batch, receive_events
from incidents.services.received import Received


def event_of(service: Service, key: str, action: str = "trigger", **fields: Any) -> Received:
    """One event as the door hands it over; `fields` are the event's."""
    values = {"action": action, "dedup_key": key, "summary": f"{key} is down"} | fields
    return Received(Event(**values), service.pk, None, "Grafana")


def send(service: Service, *keys: str, action: str = "trigger", **fields: Any) -> Batch:
    """Let events arrive together; returns what became of them."""
    return receive_events([event_of(service, key, action, **fields) for key in keys])


def results(batch: Batch) -> list[str | None]:
    """The word that each sender gets."""
    return [outcome.result for outcome in batch.outcomes]


def keys_of(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def storm_of(service: Service) -> Incident:
    """The newest storm of a service."""
    return Incident.objects.filter(service=service, is_storm=True).latest("id")


def firing(storm: Incident) -> set[str]:
    """The keys of a storm that still fire."""
    members = StormMember.objects.filter(incident=storm, resolved_at=None)
    return set(members.values_list("dedup_key", flat=True))


def told(incident: Incident) -> list[str]:
    """What the timeline says, oldest first."""
    entries = TimelineEntry.objects.filter(incident=incident).order_by("id")
    return list(entries.values_list("message", flat=True))


@pytest.fixture
def shop(checkout: Service) -> Service:
    """Checkout, which takes three new incidents a minute."""
    Service.objects.filter(pk=checkout.pk).update(storm_threshold=3)
    checkout.refresh_from_db()
    return checkout


def calm_down(service: Service) -> None:
    """Let a minute pass for everything that the service opened."""
    minute = timedelta(minutes=1, seconds=1)
    for incident in Incident.objects.filter(service=service):
        incident.created_at -= minute
        incident.save(update_fields=["created_at"])
    for member in StormMember.objects.filter(service=service):
        member.opened_at -= minute
        member.save(update_fields=["opened_at"])
