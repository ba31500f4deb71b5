"""Telling a team of times without anybody on call: of the next week, and when one begins."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from escalations.duties import in_words, week_before
from escalations.models import KnownGap, Schedule, ScheduleWatch, StepTarget
from escalations.oncall import Gap, gaps_between, on_call_at
from escalations.selectors import UNREADABLE, Chronicle, Rota, chronicles_of, rotas_of
from escalations.services.watches import watch_all
from notifications.services.notices import NoticeRequest, queue_notices
from opsknight.models import TeamMember, User
from opsknight.wall_clock import whole_minute

AHEAD = timedelta(days=7)
EVERY = timedelta(days=1)
# A schedule that was just made is given time to be filled.
GRACE = timedelta(hours=1)
# How far a gap is followed to both sides; one that goes on beyond has no border there.
BACK, ON = timedelta(days=8), timedelta(days=60)
EVER, NEVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC)
KEPT = timedelta(days=30)
MAX_LINES = 10
BATCH = 500


# Gaps of the next days


@transaction.atomic
def tell_gaps(*, now: datetime) -> int:
    """Tell teams of the gaps of the next 7 days, once a day and once per gap.

    A gap that repeats a known one of the week before, such as every night of a schedule for office
    hours, is known as well. Safe in parallel: the rows are locked. Returns how many were told.
    """
    watch_all()
    watches = ScheduleWatch.objects.select_for_update(of=("self",), skip_locked=True)
    due = watches.filter(
        Q(gaps_looked_at__lte=now - EVERY)
        | Q(gaps_looked_at=None, schedule__created_at__lte=now - GRACE)
    )
    ids = list(due.order_by("pk").values_list("pk", flat=True)[:BATCH])
    ScheduleWatch.objects.filter(pk__in=ids).update(gaps_looked_at=now)
    KnownGap.objects.filter(schedule_id__in=ids, ends_at__lt=now - KEPT).delete()
    chronicles = chronicles_of(ids, now=now, start=now - BACK)
    recipients = recipients_of([c.rota.schedule for c in chronicles.values()])
    known = _known_gaps(chronicles)
    notices = [
        notice
        for pk, chronicle in chronicles.items()
        for notice in _gap_notices(chronicle, known[pk], recipients[pk], now)
    ]
    return queue_notices(notices=notices, now=now)


def _known_gaps(ids: Iterable[int]) -> Mapping[int, list[KnownGap]]:
    known: defaultdict[int, list[KnownGap]] = defaultdict(list)
    for row in KnownGap.objects.filter(schedule_id__in=list(ids)):
        known[row.schedule_id].append(row)
    return known


def _gap_notices(
    chronicle: Chronicle, known: list[KnownGap], user_ids: list[int], now: datetime
) -> Iterator[NoticeRequest]:
    schedule = chronicle.rota.schedule
    if chronicle.rota.problem or not user_ids:
        return  # not to be calculated: told at once as empty; nobody to tell: not known either
    rows = _new_gaps(schedule, gaps_ahead(chronicle, now), known, now)
    KnownGap.objects.bulk_create(rows, ignore_conflicts=True)
    fresh = [row for row in rows if not row.is_repetition]
    if not fresh:
        return
    lines = [_line(row, schedule.time_zone) for row in fresh[:MAX_LINES]]
    if len(fresh) > MAX_LINES:
        lines.append(f"and {len(fresh) - MAX_LINES} more")
    told = repr([(row.starts_at, row.ends_at) for row in fresh])
    for user_id in user_ids:
        yield NoticeRequest(
            user_id=user_id,
            subject=f"Nobody is on call in {schedule.name} at times of the next 7 days",
            text="\n".join(["Nobody is on call:", *lines, f"Times in {schedule.time_zone}."]),
            link=reverse("escalations:schedule", args=[schedule.pk]),
            cause=f"gaps:{schedule.pk}:{hashlib.sha256(told.encode()).hexdigest()[:32]}",
        )


def gaps_ahead(chronicle: Chronicle, now: datetime) -> list[Gap]:
    """The gaps of the next 7 days with their true borders; EVER and NEVER where there is none."""
    this_minute = whole_minute(now)
    start, end = this_minute - BACK, this_minute + ON
    try:
        gaps = gaps_between(chronicle.history, start, end)
    except UNREADABLE:
        return []
    return [
        Gap(
            EVER if gap.starts_at <= start else gap.starts_at,
            NEVER if gap.ends_at >= end else gap.ends_at,
        )
        for gap in gaps
        if gap.starts_at < this_minute + AHEAD and gap.ends_at > this_minute
    ]


def _new_gaps(
    schedule: Schedule, gaps: Sequence[Gap], known: Sequence[KnownGap], now: datetime
) -> list[KnownGap]:
    """The gaps that nobody knows of; those that repeat a known one are marked."""
    spans = {(row.starts_at, row.ends_at) for row in known}
    begun = {row.ends_at for row in known if row.starts_at <= now}
    rows = []
    for gap in gaps:
        # One that has begun is the same, however long ago that was.
        if (gap.starts_at, gap.ends_at) in spans or (gap.starts_at <= now and gap.ends_at in begun):
            continue
        is_repetition = _week_before(gap, schedule.time_zone) in spans
        rows.append(
            KnownGap(
                schedule=schedule,
                starts_at=gap.starts_at,
                ends_at=gap.ends_at,
                is_repetition=is_repetition,
            )
        )
    return rows


def _week_before(gap: Gap, zone: str) -> tuple[datetime, datetime] | None:
    if gap.starts_at == EVER or gap.ends_at == NEVER:
        return None
    return week_before(gap.starts_at, zone), week_before(gap.ends_at, zone)


def _line(row: KnownGap, zone: str) -> str:
    start = "already" if row.starts_at == EVER else in_words(row.starts_at, zone)
    end = "further notice" if row.ends_at == NEVER else in_words(row.ends_at, zone)
    return f"from {start} until {end}"


# Nobody at this moment


@transaction.atomic
def tell_empty(*, now: datetime) -> int:
    """Tell a team when a schedule that a policy pages becomes empty; returns how many were told.

    Not of a gap that repeats a known one of the week before. Safe in parallel: the rows are locked.
    """
    watch_all()
    watches = ScheduleWatch.objects.select_for_update(of=("self",), skip_locked=True)
    paged = StepTarget.objects.exclude(schedule=None).values("schedule_id")
    rows = {row.pk: row for row in watches.filter(pk__in=paged)}
    rotas = rotas_of(rows, since=now)
    emptied = []
    for pk, rota in rotas.items():
        is_empty = not on_call_at(rota.spec, now)
        if is_empty == (rows[pk].empty_since is not None):
            continue
        rows[pk].empty_since = now if is_empty else None
        rows[pk].save(update_fields=["empty_since"])
        if is_empty:
            emptied.append(rota)
    quiet = _in_repeated_gap([rota.schedule.pk for rota in emptied], now)
    loud = [rota for rota in emptied if rota.schedule.pk not in quiet]
    recipients = recipients_of([rota.schedule for rota in loud])
    notices = [
        _empty_notice(rota, user_id, now)
        for rota in loud
        for user_id in recipients[rota.schedule.pk]
    ]
    return queue_notices(notices=notices, now=now)


def _in_repeated_gap(ids: Sequence[int], now: datetime) -> set[int]:
    gaps = KnownGap.objects.filter(
        schedule_id__in=ids, is_repetition=True, starts_at__lte=now, ends_at__gt=now
    )
    return set(gaps.values_list("schedule_id", flat=True))


def _empty_notice(rota: Rota, user_id: int, now: datetime) -> NoticeRequest:
    schedule = rota.schedule
    why = f" It cannot be calculated: {rota.problem}." if rota.problem else ""
    return NoticeRequest(
        user_id=user_id,
        subject=f"Nobody is on call in {schedule.name}",
        text=f"Nobody is on call in {schedule.name} since "
        f"{in_words(now, 'UTC')} (UTC), and policies page this schedule.{why} "
        "Put somebody on call, or add an override.",
        link=reverse("escalations:schedule", args=[schedule.pk]),
        cause=f"nobody:{schedule.pk}:{now:%Y%m%d%H%M}",
    )


def recipients_of(schedules: Sequence[Schedule]) -> dict[int, list[int]]:
    """Who hears of a schedule without people: its team, else, where policies page it, admins.

    At most three queries.
    """
    teams: defaultdict[int, list[int]] = defaultdict(list)
    for team_id, user_id in (
        TeamMember.objects.filter(
            team_id__in={s.team_id for s in schedules}, user__status=User.Status.ACTIVE
        )
        .order_by("pk")
        .values_list("team_id", "user_id")
    ):
        teams[team_id].append(user_id)
    paged = set(
        StepTarget.objects.filter(schedule__in=schedules).values_list("schedule_id", flat=True)
    )
    admins = list(
        User.objects.filter(role=User.Role.ADMIN, status=User.Status.ACTIVE).values_list(
            "pk", flat=True
        )
    )
    return {s.pk: teams.get(s.team_id or 0) or (admins if s.pk in paged else []) for s in schedules}
