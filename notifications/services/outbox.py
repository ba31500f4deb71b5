"""Writes pages into the outbox, in the transaction of what caused them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from django.db.models import Exists, Min, OuterRef, Q
from django.db.models.functions import Now

from incidents.models import Incident, TimelineEntry
from incidents.services.participants import add_participants
from notifications.models import Destination, Notification, NotificationRule
from notifications.models.preferences import Channel
from notifications.rules import PlannedPage, Rule, has_immediate_way, plan_pages
from notifications.services.nudging import wake_channels
from notifications.turns import turn_of
from opsknight.models import User

# Incident, person, channel, address, reason: two waiting pages with the same are one too many.
Target: TypeAlias = tuple[int | None, int | None, str, str, str]


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


def queue_pages(*, requests: Sequence[PageRequest], now: datetime) -> list[int]:
    """Write the pages of all requests; returns whom nothing reaches at once, without the app.

    The caller holds the transaction. Asking twice for the same cause writes nothing the second
    time. A delayed way that still waits from an earlier cause is not queued again. A destination
    is used at once; one that was deleted is passed over, one that is switched off fails when it
    is sent, so that the timeline says so. Five queries, six with destinations, however many
    requests.
    """
    if not requests:
        return []
    user_ids = {request.user_id for request in requests if request.user_id is not None}
    plans = plans_of(user_ids)
    waiting = _waiting_delayed(requests, now)
    rows = [
        row
        for request in requests
        if request.user_id in plans
        for row in _rows_of(request, plans[request.user_id], waiting, now)
    ]
    rows += _rows_to_destinations(requests, now)
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    add_participants(
        pairs={(r.incident_id, r.user_id) for r in requests if r.user_id in plans}, now=now
    )
    wake_channels(row.channel for row in rows if row.due_at <= now)
    return sorted(u for u in user_ids if u not in plans or not has_immediate_way(plans[u]))


def _rows_to_destinations(requests: Sequence[PageRequest], now: datetime) -> list[Notification]:
    ids = {request.destination_id for request in requests} - {None}
    places = Destination.objects.defer("secret").in_bulk(list(ids)) if ids else {}
    return [
        build_page(request, PlannedPage(None, place.channel, place.address, 0, 0), now)
        for request in requests
        if request.destination_id is not None
        and (place := places.get(request.destination_id)) is not None
    ]


def plans_of(user_ids: Iterable[int]) -> dict[int, list[PlannedPage]]:
    """The plan of each active person; two queries."""
    people = User.objects.filter(pk__in=user_ids, status=User.Status.ACTIVE)
    addresses = dict(people.values_list("pk", "email"))
    rules: defaultdict[int, list[Rule]] = defaultdict(list)
    for rule in NotificationRule.objects.filter(user_id__in=addresses).values(
        "user_id", "delay_minutes", "contact_method_id", "contact_method__channel",
        "contact_method__address", "contact_method__enabled", "contact_method__broken_reason",
    ):  # fmt: skip
        rules[rule["user_id"]].append(
            Rule(
                method_id=rule["contact_method_id"],
                channel=rule["contact_method__channel"],
                address=rule["contact_method__address"],
                delay_minutes=rule["delay_minutes"],
                is_enabled=rule["contact_method__enabled"],
                is_broken=bool(rule["contact_method__broken_reason"]),
            )
        )
    return {pk: plan_pages(rules[pk], address) for pk, address in addresses.items()}


def _waiting_delayed(requests: Iterable[PageRequest], now: datetime) -> set[Target]:
    """Delayed pages of earlier causes whose time has not come yet.

    They stay as they are: if every repetition of a policy began the delay anew, a short repeat
    would keep a long delay from ever ending. A row that somebody has locked is about to change
    (to be cancelled, perhaps) and does not count, nor does one that ended with its person's own
    acknowledgement and is only not cancelled yet.
    """
    own_acks = TimelineEntry.objects.filter(
        incident_id=OuterRef("incident_id"),
        kind=TimelineEntry.Kind.ACKNOWLEDGED,
        actor_id=OuterRef("user_id"),
        at__gte=OuterRef("created_at"),
    )
    rows = Notification.objects.select_for_update(skip_locked=True, no_key=True).filter(
        ~(Q(needs_own_ack=True) & Exists(own_acks)),
        incident_id__in={r.incident_id for r in requests},
        user_id__in={r.user_id for r in requests},
        state=Notification.State.PENDING,
        delay_minutes__gt=0,
        due_at__gt=now,
    )
    return set(rows.values_list("incident_id", "user_id", "channel", "address", "reason"))


def _rows_of(
    request: PageRequest, plan: Iterable[PlannedPage], waiting: set[Target], now: datetime
) -> list[Notification]:
    rows = [build_page(request, page, now) for page in plan]
    notice = build_page(request, PlannedPage(None, Channel.IN_APP, "", 0, 0), now)
    kept = [row for row in rows if row.due_at <= now or target_of(row) not in waiting]
    return [*kept, notice]


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
        due_at=now + timedelta(minutes=page.wait_minutes),
        turn=turn_of(request.reason, request.turn),
        needs_own_ack=request.needs_own_ack,
        created_at=now,
    )


def target_of(row: Notification) -> Target:
    """What a page would reach, and why."""
    return (row.incident_id, row.user_id, row.channel, row.address, row.reason)


def queue_new_rule(*, rule: NotificationRule, now: datetime) -> None:
    """Let a rule that was just added take part in what its person is paged for already.

    Only where its time is still to come, counted from the latest page of each incident.
    """
    if not rule.contact_method.enabled:
        return
    status = Incident.Status
    pages = Notification.objects.filter(
        Q(incident__status=status.TRIGGERED)
        | Q(incident__status=status.ACKNOWLEDGED, needs_own_ack=True),
        user_id=rule.user_id,
        reason=Notification.Reason.ESCALATION,
    )
    cycles = pages.values("incident_id", "cause", "needs_own_ack").annotate(
        started_at=Min("created_at")
    )
    latest = {c["incident_id"]: c for c in cycles.order_by("started_at")}
    method = rule.contact_method
    planned = PlannedPage(
        method.pk, method.channel, method.address, rule.delay_minutes, rule.delay_minutes
    )
    rows = []
    for cycle in latest.values():
        request = PageRequest(
            cycle["incident_id"],
            rule.user_id,
            Notification.Reason.ESCALATION,
            cycle["cause"],
            needs_own_ack=cycle["needs_own_ack"],
        )
        row = build_page(request, planned, cycle["started_at"])
        if row.due_at > now:
            rows.append(row)
    Notification.objects.bulk_create(rows, ignore_conflicts=True)


def drop_rule_pages(*, rule: NotificationRule) -> None:
    """Cancel what a rule that is being removed has still waiting; the other rules go on."""
    Notification.objects.filter(
        user_id=rule.user_id,
        contact_method_id=rule.contact_method_id,
        delay_minutes=rule.delay_minutes,
        state=Notification.State.PENDING,
    ).update(
        state=Notification.State.CANCELLED,
        finished_at=Now(),
        last_error="Its rule was removed.",
    )
