"""The engine's task, and the sweeps of schedules."""

import time

from celery import shared_task
from django.core.cache import cache
from django.utils import timezone

from escalations.services import (
    ack_timeouts,
    auditor,
    calendar_imports,
    engine,
    history,
    outward_heartbeat,
    swaps,
    telling,
)
from opsknight.wake import DEFAULT_QUEUES, Wake, send_nudge

# After this long a backlog goes on in a new message, so that a worker can be stopped in between.
ENOUGH_SECONDS = 1.0
IMPORTING = "importing-calendars"
IMPORT_SECONDS = 300  # longer than any import takes


@shared_task(name="escalations.tasks.run_due_steps")
def run_due_steps() -> None:
    """Take due steps until nothing is due.

    Safe to run twice because due incidents are claimed under a lock, and a step that was taken has
    moved their timer.
    """
    ends_at = time.monotonic() + ENOUGH_SECONDS
    steps = 0
    while taken := engine.run_due_steps():
        steps += taken
        if not engine.is_anything_due():
            break
        if time.monotonic() > ends_at:
            send_nudge(Wake.ESCALATE, queue=DEFAULT_QUEUES[Wake.ESCALATE])
            break
    engine.record_pass(steps=steps)


@shared_task(name="escalations.tasks.withdraw_timed_out")
def withdraw_timed_out() -> None:
    """Trigger incidents again whose acknowledgement has timed out.

    Safe to run twice because incidents are claimed with SKIP LOCKED, and a withdrawn
    acknowledgement is not found again.
    """
    ack_timeouts.withdraw_timed_out()


@shared_task(name="escalations.tasks.audit_engine", time_limit=120)
def audit_engine() -> None:
    """Find incidents that should have moved and did not; not in the engine's own queue.

    Safe to run twice because incidents are claimed with SKIP LOCKED, and one that was started again
    is not found again.
    """
    auditor.audit_engine()


@shared_task(name="escalations.tasks.tell_outside", time_limit=60)
def tell_outside() -> None:
    """Ask for the heartbeat address while the engine is healthy.

    Safe to run twice because whoever claims the due heartbeat moves it on.
    """
    outward_heartbeat.tell_outside()


@shared_task(name="escalations.tasks.import_due_calendars")
def import_due_calendars() -> None:
    """Read the calendars that layers take their shifts from.

    Safe to run twice because each layer is claimed before its calendar is asked for. One at a time:
    slow addresses must not keep all threads of the queue.
    """
    if not cache.add(IMPORTING, 1, timeout=IMPORT_SECONDS):
        return
    try:
        calendar_imports.import_due_calendars(now=timezone.now())
    finally:
        cache.delete(IMPORTING)


@shared_task(name="escalations.tasks.follow_schedules", time_limit=300)
def follow_schedules() -> None:
    """Record what schedules have become by other ways than their services; close old requests.

    Safe to run twice because a version is only written when the last one says something else, and
    requests are claimed under a lock.
    """
    now = timezone.now()
    history.record_unrecorded_versions(now=now)
    swaps.expire_swaps(now=now)


@shared_task(name="escalations.tasks.tell_on_call")
def tell_on_call() -> None:
    """Tell people of their shifts, teams of gaps, and channels of who is on call.

    Safe to run twice because every notice has a cause that is told once, and what was told is
    written under a lock.
    """
    telling.tell_on_call(now=timezone.now())
