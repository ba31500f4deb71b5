"""Nudges of deferred work, by name: the one place where a lower app reaches a higher one.

A nudge is sent on commit and may be lost; a sweep in the beat table finds the due rows anyway.
"""

import logging
from enum import StrEnum

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

# A nudge that waited this long is pointless: the sweep has been there.
EXPIRES_SECONDS = 30


class Wake(StrEnum):
    """The deferred tasks; a test asserts that each is registered."""

    ESCALATE = "escalations.tasks.run_due_steps"
    DELIVER = "notifications.tasks.deliver_due"
    CANCEL_SETTLED = "notifications.tasks.cancel_settled_pages"
    NOTIFY_ASSIGNED = "notifications.tasks.notify_assigned"
    EDIT_POSTS = "notifications.tasks.edit_posts"


DEFAULT_QUEUES = {
    Wake.ESCALATE: "escalations",
    Wake.DELIVER: "default",
    Wake.CANCEL_SETTLED: "default",
    Wake.NOTIFY_ASSIGNED: "default",
    Wake.EDIT_POSTS: "slack",
}


def wake(task: Wake, *, queue: str | None = None, **kwargs: str) -> None:
    """Send the nudge when the current transaction commits, or now without one."""
    transaction.on_commit(
        lambda: send_nudge(task, queue=queue or DEFAULT_QUEUES[task], **kwargs), robust=True
    )


def send_nudge(task: Wake, *, queue: str, **kwargs: str) -> None:
    """Send the nudge now. A Redis that is down is logged, never raised."""
    try:
        current_app.send_task(str(task), kwargs=kwargs, queue=queue, expires=EXPIRES_SECONDS)
    except (OperationalError, OSError) as error:
        logger.warning("Nudge %s not sent (%s); the sweep will find the rows.", task, error)
