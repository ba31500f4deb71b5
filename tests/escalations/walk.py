"""Words for tests of the engine: open an incident, let time pass, see who was paged."""

from datetime import datetime, timedelta

from escalations.models import EscalationPolicy
from escalations.services import engine
from incidents.models import Incident, Service, TimelineEntry
from notifications.models import Notification
from tests.factories import IncidentFactory, PolicyFactory

MINUTE = timedelta(minutes=1)
Kind = TimelineEntry.Kind


def escalating(
    service: Service, now: datetime, policy: EscalationPolicy | None = None, **fields: object
) -> Incident:
    """A triggered incident of `service` that the engine must look at now."""
    if policy is not None:
        service.escalation_policy = policy
        service.save(update_fields=["escalation_policy"])
    return IncidentFactory(service=service, escalate_at=now, created_at=now, **fields)


def policy_of(*steps: tuple[int, list[object]], **fields: object) -> EscalationPolicy:
    """A policy of (delay in minutes, targets)."""
    return PolicyFactory(steps=list(steps), **fields)


def take_all(now: datetime) -> int:
    """Let the engine go on at `now` until nothing is due; returns the number of steps."""
    passes = 0
    while taken := engine.run_due_steps(now=now):
        passes += taken
        assert passes < 1000, "the engine spins"
    return passes


def paged(incident: Incident, cause: str | None = None) -> list[str]:
    """The names of those paged, each as often as different steps did."""
    pages = Notification.objects.filter(incident=incident, channel="in_app")
    if cause is not None:
        pages = pages.filter(cause=cause)
    return list(pages.order_by("id").values_list("user__name", flat=True))


def said(incident: Incident, *kinds: TimelineEntry.Kind) -> list[str]:
    """What the timeline says."""
    entries = TimelineEntry.objects.filter(incident=incident)
    if kinds:
        entries = entries.filter(kind__in=kinds)
    return list(entries.values_list("message", flat=True))


def timer(incident: Incident) -> datetime | None:
    """When the engine looks at it next."""
    return Incident.objects.values_list("escalate_at", flat=True).get(pk=incident.pk)
