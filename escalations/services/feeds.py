"""Calendar feeds: making and changing them, and finding one by its secret address."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import TypedDict

from django.db import transaction
from django.db.models import Q

from escalations.models import CalendarFeed, Schedule
from escalations.selectors.feeds import are_feeds_enabled
from opsknight.errors import Conflict, NotAllowed, NotFound
from opsknight.models import User
from opsknight.services.audit import record_change
from opsknight.services.configuration import delete_recorded, save_changes, save_new

FIELDS = ("name", "owner", "schedule", "person", "is_enabled")
MAX_FEEDS = 50  # of one person
# `last_used_at` is written at most this often, so that reading does not become writing.
USE_RESOLUTION = timedelta(minutes=1)
DISABLED = "Calendar feeds were disabled by an administrator."


class FeedValues(TypedDict, total=False):
    """What can be changed on a feed; what is left out stays as it is."""

    name: str
    is_enabled: bool


@transaction.atomic
def create_feed(
    *, owner: User, name: str, schedule: Schedule | None, actor: User | None, ip: str | None = None
) -> CalendarFeed:
    """Make a secret address of a schedule's shifts, or, without a schedule, of the owner's.

    Raises NotAllowed while feeds are disabled, InvalidInput for the name, Conflict when the owner
    has too many.
    """
    if not are_feeds_enabled():
        raise NotAllowed(DISABLED)
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # counts one after the other
    if CalendarFeed.objects.filter(owner=owner).count() >= MAX_FEEDS:
        raise Conflict(f"You have {MAX_FEEDS} calendar feeds. Delete one that is not used.")
    token = _new_token()
    feed = CalendarFeed(
        owner=owner,
        schedule=schedule,
        person=None if schedule else owner,
        name=name.strip(),
        token=token,
        token_digest=_digest(token),
    )
    save_new(entity=feed, fields=FIELDS, action="calendar_feed.created", actor=actor, ip=ip)
    return feed


def update_feed(
    *, feed: CalendarFeed, values: FeedValues, actor: User | None, ip: str | None = None
) -> CalendarFeed:
    """Rename a feed, switch it off or on. Raises InvalidInput."""
    save_changes(entity=feed, values=values, action="calendar_feed.updated", actor=actor, ip=ip)
    return feed


@transaction.atomic
def rotate_feed(*, feed: CalendarFeed, actor: User, ip: str | None = None) -> CalendarFeed:
    """Give a feed a new address; the old one is unknown at once. For its owner only."""
    _require_owner(feed, actor)
    if not are_feeds_enabled():
        raise NotAllowed(DISABLED)
    feed.token = _new_token()
    feed.token_digest = _digest(feed.token)
    feed.last_used_at = None
    feed.save(update_fields=["token", "token_digest", "last_used_at"])
    record_change(actor=actor, action="calendar_feed.rotated", entity=feed, ip=ip)
    return feed


def delete_feed(*, feed: CalendarFeed, actor: User | None, ip: str | None = None) -> None:
    """Delete a feed; its address is unknown at once."""
    delete_recorded(entity=feed, fields=FIELDS, action="calendar_feed.deleted", actor=actor, ip=ip)


def open_feed(*, token: str, now: datetime) -> CalendarFeed:
    """The feed of an address, with its schedule and person.

    Raises NotFound for one that is unknown, switched off, or whose owner may not sign in any more;
    NotAllowed while administrators have disabled all feeds. Found by its digest, so the time taken
    says nothing about how much of a guess was right.
    """
    digest = _digest(token)
    feeds = CalendarFeed.objects.select_related("owner", "schedule", "person").defer("token")
    feed = feeds.filter(token_digest=digest).first()
    is_right = hmac.compare_digest(feed.token_digest if feed else "", digest)
    if feed is None or not is_right or not feed.is_enabled or not feed.owner.is_active:
        raise NotFound("There is no calendar at this address.")
    if not are_feeds_enabled():
        raise NotAllowed(DISABLED)
    _note_use(feed, now)
    return feed


def _note_use(feed: CalendarFeed, now: datetime) -> None:
    if feed.last_used_at is not None and now - feed.last_used_at < USE_RESOLUTION:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USE_RESOLUTION)
    CalendarFeed.objects.filter(stale, pk=feed.pk).update(last_used_at=now)


def _require_owner(feed: CalendarFeed, actor: User) -> None:
    if feed.owner_id != actor.pk:
        raise NotAllowed("Only its owner may see or change the address of a calendar feed.")


def _new_token() -> str:
    return secrets.token_urlsafe(32)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
