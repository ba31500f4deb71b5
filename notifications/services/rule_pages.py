"""What a change of somebody's rules means for the pages that wait for them already."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Min, Q

from incidents.models import Incident
from notifications.models import Notification, NotificationRule
from notifications.rules import PlannedPage, account_page
from notifications.services.next_way import REACHED
from notifications.services.nudging import wake_channels
from notifications.services.outbox import PageRequest, build_page
from notifications.services.planning import hold, load_reach, rule_list_of, rule_of

State = Notification.State
Reason = Notification.Reason


def queue_new_rule(
    *, rule: NotificationRule, now: datetime, late_for: Collection[int] = ()
) -> None:
    """Let a rule that was just added, or can just be used, take part in what its person is paged
    for already.

    Only where its time is still to come, counted from the latest page of each incident; for the
    incidents of `late_for` also where it is past: then it is due now.
    """
    rows = [row for row in _pages_of(rule, now) if row.due_at > now or row.incident_id in late_for]
    forget_withdrawn(rows)
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    wake_channels(row.channel for row in rows if row.due_at <= now)


def _pages_of(rule: NotificationRule, now: datetime) -> list[Notification]:
    planned = rule_of(rule)
    person = load_reach([rule.user_id], since=now).people.get(rule.user_id)
    if person is None or not planned.is_usable:
        return []
    delay = planned.delay_minutes
    page = PlannedPage(planned.method_id, planned.channel, planned.address, delay, delay)
    rows = []
    for cycle in _running_cycles(rule.user_id):
        urgency, started_at = cycle["incident__urgency"], cycle["started_at"]
        is_gathered = urgency == Incident.Urgency.LOW and person.digest is not None
        if rule_list_of(urgency) != rule.urgency or is_gathered:
            continue
        request = PageRequest(
            cycle["incident_id"],
            rule.user_id,
            Reason.ESCALATION,
            cycle["cause"],
            needs_own_ack=cycle["needs_own_ack"],
        )
        rows.append(build_page(request, hold(page, person.quiet, urgency, started_at), started_at))
    return rows


def _running_cycles(user_id: int) -> list[dict[str, Any]]:
    """The latest cause of each incident that a person is paged for, and when it arose."""
    status = Incident.Status
    pages = Notification.objects.filter(
        Q(incident__status=status.TRIGGERED)
        | Q(incident__status=status.ACKNOWLEDGED, needs_own_ack=True),
        user_id=user_id,
        reason=Reason.ESCALATION,
    )
    cycles = pages.values("incident_id", "incident__urgency", "cause", "needs_own_ack").annotate(
        started_at=Min("created_at")
    )
    return list({c["incident_id"]: c for c in cycles.order_by("started_at")}.values())


def forget_withdrawn(rows: Sequence[Notification]) -> None:
    """Make room for pages that were withdrawn before anybody tried to send them, and come back."""
    for row in rows:
        Notification.objects.filter(
            incident=row.incident_id,
            user=row.user_id,
            channel=row.channel,
            address=row.address,
            cause=row.cause,
            delay_minutes=row.delay_minutes,
            state=State.CANCELLED,
            claims=0,
        ).delete()


def drop_rule_pages(*, rule: NotificationRule, now: datetime) -> list[Notification]:
    """Cancel what a rule that is being removed has still waiting; the other rules go on.

    Returns what was cancelled, for `step_in_for`.
    """
    is_high = Q(incident__urgency=Incident.Urgency.HIGH)
    waiting = Notification.objects.select_for_update(of=("self",), no_key=True).filter(
        is_high if rule.urgency == NotificationRule.Urgency.HIGH else ~is_high,
        user_id=rule.user_id,
        contact_method_id=rule.contact_method_id,
        delay_minutes=rule.delay_minutes,
        state=State.PENDING,
        incident__isnull=False,
    )
    rows = list(waiting.select_related("user").order_by("pk"))
    Notification.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=State.CANCELLED, finished_at=now, last_error="Its rule was removed."
    )
    return rows


def step_in_for(dropped: Sequence[Notification], *, now: datetime) -> None:
    """Mail the account's address at their time where they were the only ones of their cause.

    Otherwise a person who takes an only rule away, perhaps in order to add another one, would not
    hear at all of what waits for the end of quiet hours.
    """
    pages = [_account_page(row, now) for row in dropped if not _has_other_way(row)]
    Notification.objects.bulk_create(pages, ignore_conflicts=True)
    wake_channels(page.channel for page in pages if page.due_at <= now)


def _has_other_way(row: Notification) -> bool:
    others = Notification.objects.filter(
        incident=row.incident_id, user=row.user_id, reason=row.reason, cause=row.cause
    ).exclude(channel="in_app")
    return others.filter(state__in=(*Notification.UNFINISHED, *REACHED)).exists()


def _account_page(row: Notification, now: datetime) -> Notification:
    assert row.user is not None  # noqa: S101 — rules are a person's
    assert row.incident_id is not None  # noqa: S101 — see drop_rule_pages
    request = PageRequest(
        row.incident_id,
        row.user_id,
        Reason(row.reason),
        row.cause,
        turn=row.turn,
        needs_own_ack=row.needs_own_ack,
    )
    page = build_page(request, account_page(row.user.email), now)
    page.due_at, page.waits_for = row.due_at, row.waits_for
    page.in_place_of_id = row.in_place_of_id
    return page
