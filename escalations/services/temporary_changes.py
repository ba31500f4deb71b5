"""Changing a temporary schedule: the rest of the old one goes, the new one takes its place."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from escalations.models import TemporarySchedule
from escalations.services.temporaries import ShiftInput, end_temporary, set_temporary
from opsknight.models import User


@transaction.atomic
def change_temporary(
    *,
    temporary: TemporarySchedule,
    name: str,
    starts_at: datetime,
    ends_at: datetime,
    shifts: Sequence[ShiftInput],
    actor: User | None,
    now: datetime,
    ip: str | None = None,
) -> TemporarySchedule:
    """Let it have another span or other shifts from now on; its past stays.

    Raises as `end_temporary` and `set_temporary` do.
    """
    end_temporary(temporary=temporary, actor=actor, now=now, ip=ip)
    return set_temporary(
        schedule=temporary.schedule,
        name=name,
        starts_at=starts_at,
        ends_at=ends_at,
        shifts=shifts,
        actor=actor,
        now=now,
        ip=ip,
    )
