"""Telling people that an edit changed their future shifts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import F, Max, Q
from django.urls import reverse

from escalations.duties import DutyChange, Span, changes_between, duties_of_people, in_words
from escalations.models import Schedule, ScheduleVersion, ScheduleWatch
from escalations.oncall import ScheduleSpec
from escalations.selectors import UNREADABLE
from escalations.selectors.chronicles import stored_spec
from escalations.services.watches import watch_all
from notifications.services.notices import NoticeRequest, queue_notices
from opsknight.models import User
from opsknight.wall_clock import whole_minute

AHEAD = timedelta(days=60)
# Edits that follow each other are told together: after so long without one, or at the latest.
QUIET = timedelta(minutes=3)
PATIENCE = timedelta(minutes=15)
# A schedule that is older when it is first looked at was there before notices were.
NEW = timedelta(hours=1)
MAX_LINES = 10  # of what is new, and of what is gone
NOBODY = ScheduleSpec("UTC")


@dataclass(frozen=True)
class Edit:
    """What happened to a schedule since people were told last."""

    schedule: Schedule
    before: ScheduleSpec | None  # None: it cannot be read any more
    versions: Sequence[ScheduleVersion]  # oldest first, at least one

    @property
    def editor_id(self) -> int | None:
        """Who made all of it; None: several people, or nobody."""
        editors = {version.changed_by_id for version in self.versions}
        return editors.pop() if len(editors) == 1 else None


@transaction.atomic
def tell_changed_shifts(*, now: datetime) -> int:
    """Tell everybody whose shifts of the next weeks are others than before, but not the editor.

    Waits until nobody has edited a schedule for a while. Safe in parallel: what people know is
    locked, and moved with the notice. Returns how many were told.
    """
    watch_all()
    edits = list(_edits(now))
    notices = [notice for edit in edits for notice in _notices(edit, now)]
    told = queue_notices(notices=notices, now=now)
    for edit in edits:
        ScheduleWatch.objects.filter(schedule=edit.schedule).update(
            told_since=edit.versions[-1].since
        )
    return told


def _edits(now: datetime) -> Iterator[Edit]:
    """The schedules with versions that nobody was told of, where the editing has paused."""
    newest = Max("schedule__versions__since")
    changed = ScheduleWatch.objects.annotate(newest=newest).filter(
        Q(told_since=None) | Q(told_since__lt=F("newest")), newest__isnull=False
    )
    ids = list(changed.values_list("pk", flat=True))
    watches = ScheduleWatch.objects.select_for_update(of=("self",), skip_locked=True)
    locked = {w.pk: w for w in watches.select_related("schedule").filter(pk__in=ids)}
    told_since = F("schedule__watch__told_since")
    rows = ScheduleVersion.objects.filter(
        Q(since__gte=told_since) | Q(schedule__watch__told_since=None), schedule_id__in=locked
    ).order_by("schedule_id", "since")
    for pk, group in groupby(rows, key=lambda row: row.schedule_id):
        edit = _edit(locked[pk], list(group), now)
        if edit is not None and _has_paused(edit, now):
            yield edit


def _edit(watch: ScheduleWatch, rows: list[ScheduleVersion], now: datetime) -> Edit | None:
    told = [row for row in rows if watch.told_since and row.since <= watch.told_since]
    fresh = rows[len(told) :]
    if not fresh:
        return None
    if watch.told_since is None and now - watch.schedule.created_at > NEW:
        # It was there before: what is in force now is what everybody knows.
        return Edit(watch.schedule, stored_spec(fresh[-1].spec), fresh)
    return Edit(watch.schedule, stored_spec(told[-1].spec) if told else NOBODY, fresh)


def _has_paused(edit: Edit, now: datetime) -> bool:
    # The first version says how it has always been, not when it was made.
    born = edit.schedule.created_at
    first, last = (max(edit.versions[place].since, born) for place in (0, -1))
    return last <= now - QUIET or first <= now - PATIENCE


def _notices(edit: Edit, now: datetime) -> Iterator[NoticeRequest]:
    start = whole_minute(now)
    after_spec = stored_spec(edit.versions[-1].spec)
    if edit.before is None or after_spec is None:
        return
    try:
        before = duties_of_people(edit.before, start, start + AHEAD)
        after = duties_of_people(after_spec, start, start + AHEAD)
    except UNREADABLE:
        return
    changes = changes_between(before, after)
    changes.pop(edit.editor_id or 0, None)
    people = User.objects.in_bulk(changes)
    for user_id, change in changes.items():
        if user_id in people:
            yield _notice(edit, people[user_id], change)


def _notice(edit: Edit, user: User, change: DutyChange) -> NoticeRequest:
    schedule = edit.schedule
    lines = [f"Your shifts in {schedule.name} of the next {AHEAD.days} days changed.", ""]
    lines += _lines("New", change.new, user.time_zone)
    lines += _lines("Gone", change.gone, user.time_zone)
    return NoticeRequest(
        user_id=user.pk,
        subject=f"Your shifts in {schedule.name} changed",
        text="\n".join([*lines, f"Times in {user.time_zone}."]),
        link=reverse("escalations:schedule", args=[schedule.pk]),
        cause=f"shifts-changed:{schedule.pk}:{edit.versions[-1].pk}",
    )


def _lines(what: str, spans: Sequence[Span], zone: str) -> list[str]:
    lines = [
        f"{what}: {in_words(span.starts_at, zone)} to {in_words(span.ends_at, zone)}"
        for span in spans[:MAX_LINES]
    ]
    more = len(spans) - MAX_LINES
    return [*lines, f"{what}: {more} more"] if more > 0 else lines
