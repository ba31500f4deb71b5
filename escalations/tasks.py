"""The engine's task."""

import time

from celery import shared_task

from escalations.services import engine
from opsknight.wake import DEFAULT_QUEUES, Wake, send_nudge

# After this long a backlog goes on in a new message, so that a worker can be stopped in between.
ENOUGH_SECONDS = 1.0


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
