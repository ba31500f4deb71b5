"""Heartbeats: their settings, and the sweep that turns silence into incidents.

Everything that is due is in the rows and by the database's clock; the sweep may run twice, late or
not at all for a while. Beats themselves are noted by `beat_records`.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypedDict

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from incidents.durations import in_words
from incidents.intake.beats import KIND, beat_key
from incidents.intake.events import MAX_SUMMARY, Event, one_line
from incidents.intake.rules import apply_rules
from incidents.intake.spooling import shared_spool
from incidents.models import Heartbeat, HeartbeatSweep, Integration
from incidents.services.intake import receive_events
from incidents.services.received import Received
from incidents.services.rules import rules_of
from opsknight.models import User
from opsknight.services.audit import Changes
from opsknight.services.configuration import save_changes
from opsknight.wake import Wake, wake
from realtime.publish import incidents_changed

logger = logging.getLogger(__name__)

FIELDS = ("interval_seconds", "grace_seconds", "expects_first")
# A sweep that is this late means that we, or the database, were away, and beats with us.
AWAY = timedelta(minutes=1)
# What everybody gets then at least: time for what waits on senders' sides.
FRESH_GRACE_SECONDS = 60
# How long deliveries that wait on disk hold up the sweep; then something is wrong with the disk.
MAX_HOLD = timedelta(minutes=5)


class HeartbeatValues(TypedDict, total=False):
    """What can be set on a heartbeat; what is left out stays as it is."""

    interval_seconds: int
    grace_seconds: int
    expects_first: bool


def ensure_heartbeat(*, integration: Integration) -> Heartbeat:
    """The heartbeat of an integration of that kind; one without settings gets the usual ones."""
    heartbeat, is_new = Heartbeat.objects.get_or_create(integration=integration)
    if is_new:
        _arm_new_ones(Heartbeat.objects.filter(pk=heartbeat.pk))
        heartbeat.refresh_from_db()
    heartbeat.integration = integration
    return heartbeat


def update_heartbeat(
    *, heartbeat: Heartbeat, values: HeartbeatValues, actor: User | None, ip: str | None = None
) -> Heartbeat:
    """Change what is expected; raises InvalidInput. The present wait starts anew with it."""
    before = [getattr(heartbeat, name) for name in FIELDS]

    def rearm() -> Changes:
        if [getattr(heartbeat, name) for name in FIELDS] != before:
            _start_anew(heartbeat)
        return {}

    save_changes(
        entity=heartbeat,
        values=values,
        action="heartbeat.updated",
        actor=actor,
        ip=ip,
        extra=rearm,
    )
    heartbeat.refresh_from_db()
    return heartbeat


def _start_anew(heartbeat: Heartbeat) -> None:
    row = Heartbeat.objects.filter(pk=heartbeat.pk)
    row.filter(due_at__isnull=False).update(due_at=_whole_wait())
    if heartbeat.expects_first:
        _arm_new_ones(row)
    else:
        row.filter(last_beat_at=None).update(due_at=None)


def _watched() -> Q:
    """Whose integration is enabled, and still a heartbeat: in the admin it can become another."""
    return Q(integration__enabled=True, integration__kind=KIND)


def _whole_wait() -> object:
    return Now() + (F("interval_seconds") + F("grace_seconds")) * timedelta(seconds=1)


def _arm_new_ones(rows: QuerySet[Heartbeat]) -> None:
    """Wait for the first beat of those that are enabled and have nothing behind them."""
    rows.filter(
        _watched(),
        expects_first=True,
        due_at=None,
        last_beat_at=None,
        missed_at=None,
        failed_at=None,
    ).update(due_at=_whole_wait())


# The sweep


def open_missed_heartbeats(*, limit: int = 100) -> int:
    """Open an incident for each heartbeat that is due; returns how many.

    An outage of our own is no silence of theirs: after one everybody has a grace from now, and
    while deliveries wait on disk nobody is judged.
    """
    if _is_held_up():
        return 0
    _keep_in_step()
    count = 0
    while taken := _open_due(limit):
        count += taken
    return count


@transaction.atomic
def _is_held_up() -> bool:
    """Note this sweep, and say whether it must wait; gives a fresh grace when it comes late."""
    HeartbeatSweep.objects.bulk_create([HeartbeatSweep(at=Now())], ignore_conflicts=True)
    sweep = HeartbeatSweep.objects.select_for_update().annotate(now=Now()).get()
    now: datetime = sweep.now
    if abs(now - sweep.at) > AWAY:
        logger.warning("Missed beats were not looked for since %s: all get a grace.", sweep.at)
        _give_grace()
    sweep.at = now
    is_held = False
    if _deliveries_wait():
        sweep.held_since = sweep.held_since or now
        is_held = now - sweep.held_since < MAX_HOLD
    else:
        sweep.held_since = None
    sweep.save(update_fields=["at", "held_since"])
    return is_held


def _deliveries_wait() -> bool:
    """Whether beats may wait on this machine's disk for the database."""
    try:
        return shared_spool().is_waiting()
    except OSError:  # a machine whose processes take nothing needs no such folder
        return False


def _give_grace() -> None:
    # Never longer than a whole wait: a clock that was set back leaves times far ahead.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE incidents_heartbeat
            SET due_at = least(
              greatest(
                due_at,
                statement_timestamp() + make_interval(secs => greatest(grace_seconds, %s))),
              statement_timestamp()
                + make_interval(secs => interval_seconds + greatest(grace_seconds, %s)))
            WHERE id IN (SELECT id FROM incidents_heartbeat WHERE due_at IS NOT NULL
                         ORDER BY integration_id FOR UPDATE)
            """,
            [FRESH_GRACE_SECONDS, FRESH_GRACE_SECONDS],
        )


def _keep_in_step() -> None:
    """Follow what happened to the integrations, through whichever door.

    A disabled one waits for nothing and has nothing behind it; one enabled again starts anew.
    """
    Heartbeat.objects.bulk_create(
        [
            Heartbeat(integration_id=number)
            for number in Integration.objects.filter(
                kind=KIND, enabled=True, heartbeat=None
            ).values_list("pk", flat=True)
        ],
        ignore_conflicts=True,
    )
    with transaction.atomic():
        unwatched = Heartbeat.objects.exclude(_watched()).exclude(
            due_at=None, last_beat_at=None, missed_at=None, failed_at=None
        )
        locked = unwatched.select_for_update(skip_locked=True, of=("self",))
        Heartbeat.objects.filter(pk__in=[row.pk for row in locked]).update(
            due_at=None, last_beat_at=None, missed_at=None, failed_at=None
        )
    _arm_new_ones(Heartbeat.objects.all())


def _open_due(limit: int) -> int:
    try:
        return _open_together(limit=limit)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # one of them must not silence the others
        logger.exception("Opening incidents of missed heartbeats failed; each is tried alone.")
    count = 0
    due = Heartbeat.objects.filter(_watched(), due_at__lte=Now())
    for pk in list(due.order_by("due_at").values_list("pk", flat=True)[:limit]):
        try:
            count += _open_together(limit=1, pk=pk)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("Opening the incident of heartbeat %s failed.", pk)
    return count


@transaction.atomic
def _open_together(*, limit: int, pk: int | None = None) -> int:
    """Claim what is due and open its incidents: all of it in one transaction, or nothing."""
    due = _claim(limit, pk)
    if not due:
        return 0
    Heartbeat.objects.filter(pk__in=[heartbeat.pk for heartbeat in due]).update(
        missed_at=F("due_at"), due_at=None
    )
    batch = receive_events([_as_received(heartbeat) for heartbeat in due])
    wake(Wake.ESCALATE)
    incidents_changed(batch.changed_ids)
    return len(due)


def _claim(limit: int, pk: int | None) -> Sequence[Heartbeat]:
    """What is due and nobody else has claimed, locked before the rows of `receive_events`."""
    due = Heartbeat.objects.filter(_watched(), due_at__lte=Now())
    if pk is not None:
        due = due.filter(pk=pk)
    return list(
        due.select_related("integration")
        .order_by("due_at")
        .select_for_update(skip_locked=True, of=("self",), no_key=True)[:limit]
    )


def _as_received(heartbeat: Heartbeat) -> Received:
    integration = heartbeat.integration
    found = missed_event(heartbeat, timezone.now())
    ruled = apply_rules(rules_of(integration), [found], headers={}, query={}, body=b"")
    [(event, routing)] = ruled.events
    return Received(
        event=replace(event, dedup_key=beat_key(integration.pk)),
        service_id=integration.service_id,
        integration_id=integration.pk,
        sender=integration.name,
        routing=routing,
    )


def missed_event(heartbeat: Heartbeat, now: datetime) -> Event:
    """What is told of a missed beat."""
    name = heartbeat.integration.name
    expected = f"One is expected every {in_words(heartbeat.interval)}"
    if heartbeat.grace_seconds:
        expected += f", with {in_words(heartbeat.grace)} of grace"
    last = heartbeat.last_beat_at
    if last is None:
        summary = f"{name}: no heartbeat ever arrived"
        text = f"No beat has arrived yet. {expected}."
    else:
        summary = f"{name}: no heartbeat for {in_words(now - last)}"
        text = f"The last beat came at {last:%Y-%m-%d %H:%M:%S} UTC. {expected}."
    return Event(
        action="trigger",
        dedup_key=beat_key(heartbeat.integration_id),
        summary=one_line(summary, MAX_SUMMARY),
        source=one_line(name, 200),
        description=text,
        details={
            "interval_seconds": heartbeat.interval_seconds,
            "grace_seconds": heartbeat.grace_seconds,
            "last_beat_at": last.isoformat() if last else None,
        },
    )
