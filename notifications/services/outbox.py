"""Writes pages into the outbox, in the transaction of what caused them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from django.db.models import Exists, OuterRef, Q

from incidents.models import TimelineEntry
from incidents.services.participants import add_participants
from notifications.models import Destination, Notification
from notifications.models.preferences import Channel
from notifications.rules import PlannedPage
from notifications.services.nudging import wake_channels
from notifications.services.planning import PagePlan, load_reach
from notifications.services.telling import tell_plans
from opsknight.rows import fetch_rows

# Incident, person, channel, address, reason: two waiting pages with the same are one too many.
Target: TypeAlias = tuple[int | None, int | None, str, str, str]

_URGENCIES = "SELECT id, urgency FROM incidents_incident WHERE id = ANY(%s)"


@dataclass(frozen=True)
class PageRequest:
    """This person, or this destination, must hear of this incident: exactly one of both."""

    incident_id: int
    user_id: int | None
    reason: Notification.Reason
    cause: str  # "step:<generation>:<round>:<step>" or "assigned:<timeline entry>"
    turn: int = 0  # how many incidents of the service are paged before it, see turns.py
    destination_id: int | None = None
    needs_own_ack: bool = False  # see Notification.needs_own_ack; a person's only


@dataclass(frozen=True)
class Queued:
    """What became of requests; people are told apart by incident: (incident id, person's id)."""

    unreached: frozenset[tuple[int, int]] = frozenset()  # nothing reaches them at once but the app
    stand_ins: Mapping[tuple[int, int], str] = field(default_factory=dict)  # who is paged instead


def queue_pages(*, requests: Sequence[PageRequest], now: datetime) -> Queued:
    """Write the pages of all requests; returns whom nothing reaches and who is replaced.

    The caller holds the transaction. Asking twice for the same cause writes nothing the second
    time. A delayed way that still waits from an earlier cause is not queued again. Who is away is
    not paged, but a substitute, and the timeline says so. A destination is used at once; one that
    was deleted is passed over, one that is switched off fails when it is sent, so that the timeline
    says so. Six queries, one more with delays and one with destinations, however many requests; two
    more where the timeline has something to say.
    """
    if not requests:
        return Queued()
    planned = _planned(requests, now)
    pages = [replace(request, user_id=plan.user_id) for request, plan in planned]
    rows = [
        row
        for page, (_, plan) in zip(pages, planned, strict=True)
        for row in _rows_of(page, plan, now)
    ]
    rows = _not_waiting_yet(rows, now)
    rows += _rows_to_destinations(requests, now)
    tell_plans(plans=[(r.incident_id, r.cause, plan) for r, plan in planned], now=now)
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    add_participants(pairs={(r.incident_id, r.user_id) for r in pages if r.user_id}, now=now)
    wake_channels(row.channel for row in rows if row.due_at <= now)
    reached = {(r.incident_id, r.user_id) for r, plan in planned if plan.reaches}
    asked = {(r.incident_id, r.user_id) for r in requests if r.user_id is not None}
    stand_ins = {(r.incident_id, p.absent_id): p.name for r, p in planned if p.absent_id}
    return Queued(frozenset(asked - reached), stand_ins)


def _planned(requests: Iterable[PageRequest], now: datetime) -> list[tuple[PageRequest, PagePlan]]:
    """How the people of the requests are reached; without those who are not."""
    to_people = [(r, r.user_id) for r in requests if r.user_id is not None]
    if not to_people:
        return []
    reach = load_reach((user_id for _, user_id in to_people), since=now)
    urgencies = dict(fetch_rows(_URGENCIES, [[r.incident_id for r, _ in to_people]]))
    plans = [
        (request, reach.plan_of(user_id, urgency=urgencies[request.incident_id], at=now))
        for request, user_id in to_people
        if request.incident_id in urgencies
    ]
    return [(request, plan) for request, plan in plans if plan is not None]


def _rows_to_destinations(requests: Sequence[PageRequest], now: datetime) -> list[Notification]:
    ids = {request.destination_id for request in requests} - {None}
    places = Destination.objects.defer("secret").in_bulk(list(ids)) if ids else {}
    return [
        build_page(request, PlannedPage(None, place.channel, place.address, 0, 0), now)
        for request in requests
        if request.destination_id is not None
        and (place := places.get(request.destination_id)) is not None
    ]


def _not_waiting_yet(rows: Sequence[Notification], now: datetime) -> list[Notification]:
    """Without those that wait already, from an earlier cause, for the end of a delay or of their
    person's quiet hours; no query where everything is due.

    What waits stays as it is: if every repetition of a policy began the delay anew, a short repeat
    would keep a long delay from ever ending. A row that somebody has locked is about to change
    (to be cancelled, perhaps) and does not count, nor does one that ended with its person's own
    acknowledgement and is only not cancelled yet.
    """
    later = [row for row in rows if row.due_at > now]
    if not later:
        return [*rows]
    own_acks = TimelineEntry.objects.filter(
        incident_id=OuterRef("incident_id"),
        kind=TimelineEntry.Kind.ACKNOWLEDGED,
        actor_id=OuterRef("user_id"),
        at__gte=OuterRef("created_at"),
    )
    found = Notification.objects.select_for_update(skip_locked=True, no_key=True).filter(
        ~(Q(needs_own_ack=True) & Exists(own_acks)),
        Q(delay_minutes__gt=0) | Q(waits_for=Notification.Wait.QUIET),
        incident_id__in={row.incident_id for row in later},
        user_id__in={row.user_id for row in later},
        state=Notification.State.PENDING,
        due_at__gt=now,
    )
    waiting = set(found.values_list("incident_id", "user_id", "channel", "address", "reason"))
    return [row for row in rows if row.due_at <= now or target_of(row) not in waiting]


def _rows_of(request: PageRequest, plan: PagePlan, now: datetime) -> list[Notification]:
    rows = [build_page(request, page, now) for page in plan.pages]
    notice = build_page(request, PlannedPage(None, Channel.IN_APP, "", 0, 0), now)
    if plan.digest_at is not None:
        notice.details = {"digest": True}  # see services/digests.py
    rows.append(notice)
    for row in rows:
        row.in_place_of_id = plan.absent_id
    return rows


def build_page(request: PageRequest, page: PlannedPage, now: datetime) -> Notification:
    """An unsaved row of the outbox."""
    return Notification(
        incident_id=request.incident_id,
        user_id=request.user_id,
        destination_id=request.destination_id,
        contact_method_id=page.method_id,
        channel=page.channel,
        address=page.address,
        reason=request.reason,
        cause=request.cause,
        delay_minutes=page.delay_minutes,
        due_at=page.due_at(now),
        waits_for=Notification.Wait.QUIET if page.held_until else "",
        turn=request.turn,
        needs_own_ack=request.needs_own_ack,
        created_at=now,
    )


def target_of(row: Notification) -> Target:
    """What a page would reach, and why."""
    return (row.incident_id, row.user_id, row.channel, row.address, row.reason)
