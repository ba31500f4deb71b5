"""Deleting schedules and policies: refused while something depends on them."""

from django.db import transaction

from escalations.models import EscalationPolicy, Schedule
from escalations.selectors import names_of_policies_paging, uses_of_policy
from opsknight.errors import Conflict


def delete_schedule(*, schedule: Schedule) -> None:
    """Delete it; raises Conflict, with their names, while policies page it."""
    with transaction.atomic():
        if names := names_of_policies_paging(schedule):
            raise Conflict(
                f"{schedule.name} is paged by {', '.join(names)}. Remove it from the steps first."
            )
        schedule.delete()


def delete_policy(*, policy: EscalationPolicy) -> None:
    """Delete it; raises Conflict, with their names, while services, routes or incidents use it."""
    with transaction.atomic():
        if names := uses_of_policy(policy):
            raise Conflict(
                f"{policy.name} is used by {', '.join(names)}. Give them another policy first."
            )
        policy.delete()
