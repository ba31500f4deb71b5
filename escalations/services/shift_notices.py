"""Telling people that their shifts start and end, a while before."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.urls import reverse

from escalations.duties import Span, duties_of_people, in_words
from escalations.models import OnCallPreference, Schedule
from escalations.selectors import Rota, rotas_of
from notifications.services.notices import NoticeRequest, queue_notices
from opsknight.models import User
from opsknight.services.configuration import check
from opsknight.wall_clock import whole_minute

# What should have been said longer ago than this is not said any more.
LATE = timedelta(minutes=30)
MINUTE = timedelta(minutes=1)


def preference_of(user: User) -> OnCallPreference:
    """Which notices a person wants; unsaved, with the defaults, where nothing was chosen."""
    return OnCallPreference.objects.filter(user=user).first() or OnCallPreference(user=user)


def set_preference(
    *, user: User, minutes_before: int, tells_start: bool, tells_end: bool
) -> OnCallPreference:
    """Choose which notices one wants. Raises InvalidInput."""
    preference = preference_of(user)
    preference.minutes_before = minutes_before
    preference.tells_start = tells_start
    preference.tells_end = tells_end
    check(preference, exclude=["user"])
    preference.save()
    return preference


@transaction.atomic
def tell_shifts(*, now: datetime) -> int:
    """Tell everybody whose shift starts or ends soon; returns how many notices were queued.

    Safe in parallel and again: the cause of a notice names the shift's instant. A shift that comes
    up late, by an edit or after an outage, is told at once.
    """
    rotas = rotas_of(Schedule.objects.values_list("pk", flat=True), since=now - LATE)
    people = {user_id for rota in rotas.values() for user_id in rota.people}
    preferences = _preferences(people)
    longest = max((p.minutes_before for p in preferences.values()), default=0)
    start = whole_minute(now) - LATE
    end = whole_minute(now) + timedelta(minutes=longest) + 2 * MINUTE
    notices = [
        notice
        for rota in rotas.values()
        for user_id, spans in duties_of_people(rota.spec, start, end).items()
        if user_id in preferences
        for span in spans
        for notice in _notices(rota, preferences[user_id], span, (start, end), now)
    ]
    return queue_notices(notices=notices, now=now)


def _preferences(user_ids: Collection[int]) -> Mapping[int, OnCallPreference]:
    """By id, the defaults for those who chose nothing; one query."""
    chosen = {p.user_id: p for p in OnCallPreference.objects.filter(user_id__in=user_ids)}
    return {pk: chosen.get(pk) or OnCallPreference(user_id=pk) for pk in user_ids}


def _notices(
    rota: Rota,
    preference: OnCallPreference,
    span: Span,
    window: tuple[datetime, datetime],
    now: datetime,
) -> Iterator[NoticeRequest]:
    """What is to be said of one shift now; what the window cuts has no end there."""
    before = timedelta(minutes=preference.minutes_before)
    starts_at, ends_at = span.starts_at, span.ends_at
    is_start_known, is_end_known = starts_at > window[0], ends_at < window[1]
    if preference.tells_start and is_start_known and starts_at - before <= now:
        yield _notice(rota, preference.user_id, "starts", starts_at, now)
    # Of a short shift not before it began: first comes that it starts.
    if preference.tells_end and is_end_known and max(ends_at - before, starts_at) <= now:
        yield _notice(rota, preference.user_id, "ends", ends_at, now)


def _notice(rota: Rota, user_id: int, verb: str, at: datetime, now: datetime) -> NoticeRequest:
    schedule = rota.schedule
    zone = rota.people[user_id].time_zone
    when = f"{in_words(at, zone)} ({zone})"
    said = verb if at > now else {"starts": "started", "ends": "ended"}[verb]
    return NoticeRequest(
        user_id=user_id,
        subject=f"Your shift in {schedule.name} {said} {in_words(at, zone)}",
        text=f"Your shift in {schedule.name} {said} on {when}.",
        link=reverse("escalations:schedule", args=[schedule.pk]),
        cause=f"shift-{verb}:{schedule.pk}:{at:%Y%m%d%H%M}",
    )
