"""The engine's task, and the sweeps of schedules."""

import time

from celery import shared_task
from django.core.cache import cache
from django.utils import timezone

from escalations.services import calendar_imports, engine, history, swaps
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
    while engine.run_due_steps():
        if time.monotonic() > ends_at:
            send_nudge(Wake.ESCALATE, queue=DEFAULT_QUEUES[Wake.ESCALATE])
            break
    engine.record_pass()


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
