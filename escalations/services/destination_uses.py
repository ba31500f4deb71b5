"""Which policies and schedules use a destination; the destinations' own app asks for it."""

from django.urls import reverse

from escalations.models import EscalationPolicy, Schedule
from notifications.models import Destination
from notifications.uses import Use


def uses_by_policies(destination: Destination) -> list[Use]:
    """The policies that name a destination, by name; one query."""
    policies = EscalationPolicy.objects.filter(steps__targets__destination=destination)
    return [
        Use(f"the policy {name}", reverse("escalations:policy", args=[pk]))
        for pk, name in policies.order_by("name").distinct().values_list("pk", "name")
    ]


def uses_by_schedules(destination: Destination) -> list[Use]:
    """The schedules that tell a destination who is on call, by name; one query."""
    schedules = Schedule.objects.filter(announcements__destination=destination)
    return [
        Use(f"the announcements of {name}", reverse("escalations:schedule", args=[pk]))
        for pk, name in schedules.order_by("name").distinct().values_list("pk", "name")
    ]
