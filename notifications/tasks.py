"""Celery tasks: nudges and sweeps. Every one finds its work in the database."""

from typing import Any

from celery import shared_task
from celery.worker import state as worker_state
from django.utils import timezone

from notifications.providers.base import Receipt
from notifications.services import (
    asking,
    assignments,
    breaker_incidents,
    digests,
    events,
    nudging,
    post_edits,
    quiet_pages,
    receipts,
    replies,
    runs,
    settling,
    status_updates,
    verification,
)
from notifications.workers import tell_swept


@shared_task(name="notifications.tasks.deliver_due")
def deliver_due(channel: str) -> None:
    """Send the due pages of one channel.

    Safe to run twice because every page is claimed under a lease before it is sent; where this
    process is at it already, that run looks again.
    """
    runs.RUNS.join(channel, may_go_on=_worker_stays)


@shared_task(name="notifications.tasks.wake_due_channels")
def wake_due_channels() -> None:
    """Wake the workers of those channels on which something is due.

    Safe to run twice because a nudge that finds nothing due does nothing.
    """
    tell_swept()
    nudging.wake_due_channels()


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


@shared_task(name="notifications.tasks.tell_events")
def tell_events() -> None:
    """Tell those who follow services and teams what happened.

    Safe to run twice because one sweep holds the cursor, and a message's cause names its entry.
    """
    events.tell_events(now=timezone.now())


@shared_task(name="notifications.tasks.ask_stuck")
def ask_stuck() -> None:
    """Ask providers about messages of which they have reported nothing.

    Safe to run twice because a row is marked as asked about before its provider is called.
    """
    asking.ask_stuck(now=timezone.now())


@shared_task(name="notifications.tasks.record_receipts_again")
def record_receipts_again(provider_keys: list[str], said: list[dict[str, Any]]) -> None:
    """Record receipts that came before their rows knew under which number they were taken.

    Safe to run twice because a repeated receipt changes nothing.
    """
    found = [Receipt(**values) for values in said]
    receipts.record_receipts(provider_keys=provider_keys, receipts=found, now=timezone.now())


@shared_task(name="notifications.tasks.send_digests")
def send_digests() -> None:
    """Send what was gathered for those who want low urgency in one mail.

    Safe to run twice because each person's row says until when the last digest told.
    """
    digests.send_due_digests(now=timezone.now())


@shared_task(name="notifications.tasks.follow_quiet_pages")
def follow_quiet_pages() -> None:
    """Let what waits for quiet hours follow changes of them, and of who is away.

    Safe to run twice because what has followed needs no change.
    """
    quiet_pages.follow_quiet_pages(now=timezone.now())


@shared_task(name="notifications.tasks.delete_unverified")
def delete_unverified() -> None:
    """Delete addresses that nobody proved to be theirs in time.

    Safe to run twice because a deleted address is not there any more.
    """
    verification.delete_unverified(now=timezone.now())


@shared_task(name="notifications.tasks.forget_replies")
def forget_replies() -> None:
    """Delete old replies that meant nothing.

    Safe to run twice because what is deleted is gone.
    """
    replies.forget_replies(now=timezone.now())


@shared_task(name="notifications.tasks.tell_status")
def tell_status() -> None:
    """Tell people what became of incidents that they were paged for.

    Safe to run twice because an update names the change that it tells of and is unique per address.
    """
    status_updates.tell_status(now=timezone.now())


@shared_task(name="notifications.tasks.follow_breakers")
def follow_breakers() -> None:
    """Open incidents for providers that fail, resolve those of providers that answer again.

    Safe to run twice because the service is locked and an incident's key names its breaker.
    """
    breaker_incidents.follow_breakers(now=timezone.now())


def _worker_stays() -> bool:
    """False while the worker finishes its work in order to stop."""
    return worker_state.should_stop is None and worker_state.should_terminate is None
