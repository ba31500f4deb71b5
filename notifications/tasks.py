"""Celery tasks: nudges and sweeps. Every one finds its work in the database."""

from celery import shared_task
from celery.worker import state as worker_state
from django.utils import timezone

from notifications.services import assignments, delivery, post_edits, settling


@shared_task(name="notifications.tasks.deliver_due")
def deliver_due(channel: str) -> None:
    """Send the due pages of one channel.

    Safe to run twice because every page is claimed under a lease before it is sent.
    """
    delivery.deliver_due(channel=channel, may_go_on=_worker_stays)


@shared_task(name="notifications.tasks.cancel_settled_pages")
def cancel_settled_pages() -> None:
    """Cancel unsent pages of incidents that somebody took or that are over.

    Safe to run twice because a cancelled page is not pending any more.
    """
    settling.cancel_settled_pages()


@shared_task(name="notifications.tasks.notify_assigned")
def notify_assigned() -> None:
    """Tell people what was assigned to them in the last minutes.

    Safe to run twice because the cause of a page names the assignment and is unique per person.
    """
    assignments.notify_assigned(now=timezone.now())


@shared_task(name="notifications.tasks.edit_posts")
def edit_posts() -> None:
    """Let messages in chats show what has become of their incidents.

    Safe to run twice because a message is claimed under a lease before it is edited.
    """
    post_edits.edit_posts(now=timezone.now())


def _worker_stays() -> bool:
    """False while the worker finishes its work in order to stop."""
    return worker_state.should_stop is None and worker_state.should_terminate is None
