"""Absences: in which somebody else is paged in one's place. Changes are audited, and told."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from notifications.models import Absence
from notifications.quiet import known_zone
from notifications.selectors import get_absence_for
from notifications.services.notices import NoticeRequest, queue_notices
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User
from opsknight.services.audit import record_change
from opsknight.services.configuration import delete_recorded, save_new

FIELDS = ("begins_at", "ends_at", "substitute", "note")
MAX_ABSENCES = 50  # that are not over


@transaction.atomic
def add_absence(
    *,
    user: User,
    begins_at: datetime,
    ends_at: datetime,
    substitute: User,
    now: datetime,
    note: str = "",
    ip: str | None = None,
) -> Absence:
    """Let somebody be paged in one's place for a time; the substitute is told.

    Raises InvalidInput with the fields, Conflict for a time that meets another absence.
    """
    _check(user, begins_at, ends_at, substitute, now)
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    others = Absence.objects.filter(user=user, ends_at__gt=now)
    if others.filter(begins_at__lt=ends_at, ends_at__gt=begins_at).exists():
        raise Conflict("You are away for a part of this time already. Remove that absence first.")
    if others.count() >= MAX_ABSENCES:
        raise Conflict(f"You have {MAX_ABSENCES} absences already. Remove one first.")
    absence = Absence(
        user=user, begins_at=begins_at, ends_at=ends_at, substitute=substitute, note=note.strip()
    )
    save_new(entity=absence, fields=FIELDS, action="absence.created", actor=user, ip=ip)
    zone = known_zone(substitute.time_zone)
    words = f"{user} is away from {_clock(begins_at, zone)} to {_clock(ends_at, zone)}"
    _tell(absence, f"You stand in for {user}", f"{words}. You are paged meanwhile.", now)
    return absence


@transaction.atomic
def end_absence(*, user: User, pk: int, now: datetime, ip: str | None = None) -> None:
    """Be back: one that has begun ends now, one to come is removed. The substitute is told."""
    absence = get_absence_for(user, pk)
    if absence.begins_at < now < absence.ends_at:
        changes = {"ends_at": [absence.ends_at.isoformat(), now.isoformat()]}
        absence.ends_at = now
        absence.save(update_fields=["ends_at"])
        record_change(actor=user, action="absence.ended", entity=absence, changes=changes, ip=ip)
    elif absence.ends_at <= now:
        raise Conflict("This absence is over.")
    if absence.substitute.is_active:
        _tell(absence, f"You do not stand in for {user} any more", f"{user} is not away.", now)
    if absence.begins_at >= now:
        delete_recorded(entity=absence, fields=FIELDS, action="absence.deleted", actor=user, ip=ip)


def _check(
    user: User, begins_at: datetime, ends_at: datetime, substitute: User, now: datetime
) -> None:
    fields: dict[str, list[str]] = {}
    if ends_at <= begins_at:
        fields["ends_at"] = ["It must end after it begins."]
    elif ends_at <= now:
        fields["ends_at"] = ["This is over already."]
    if substitute.pk == user.pk:
        fields["substitute"] = ["Name somebody else."]
    elif not substitute.is_active:
        fields["substitute"] = [f"{substitute} has no active account and cannot be paged."]
    if fields:
        raise InvalidInput("Check the fields.", fields=fields)


def _tell(absence: Absence, subject: str, text: str, now: datetime) -> None:
    notice = NoticeRequest(
        user_id=absence.substitute_id,
        subject=subject,
        text=f"{text}\n{absence.note}".strip(),
        link="/settings/notifications/",
        cause=f"absence:{absence.pk}:{absence.ends_at:%Y%m%d%H%M%S}:{now:%Y%m%d%H%M%S}",
    )
    queue_notices(notices=[notice], now=now)


def _clock(at: datetime, zone: str) -> str:
    """By the clock of whoever reads it."""
    at = at.astimezone(ZoneInfo(zone))
    return f"{at:%a} {at.day} {at:%b %Y %H:%M %Z}"
