"""Deleting schedules and policies: refused while something depends on them."""

from django.db import IntegrityError, connection, transaction
from django.db.models import Model

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
        _delete(schedule)


def delete_policy(*, policy: EscalationPolicy) -> None:
    """Delete it; raises Conflict, with their names, while services, routes or incidents use it."""
    with transaction.atomic():
        if names := uses_of_policy(policy):
            raise Conflict(
                f"{policy.name} is used by {', '.join(names)}. Give them another policy first."
            )
        _delete(policy)


def _delete(entity: Model) -> None:
    """Delete it; raises Conflict when something began to use it between question and deletion."""
    name = str(entity)
    try:
        with transaction.atomic():
            entity.delete()
            connection.check_constraints()  # now, not at the commit, where nobody can explain it
    except IntegrityError as error:
        raise Conflict(f"{name} came into use just now. Look again, then delete it.") from error
