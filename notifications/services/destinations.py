"""Destinations: making, changing, trying and deleting them. Changes are audited."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import uuid4

from django.db import transaction
from django.db.models import ProtectedError

from notifications.models import Destination, Notification
from notifications.models.preferences import Channel, is_user_group
from notifications.selectors import teams_run_by
from notifications.services.notices import NoticeRequest, build_notice
from notifications.services.nudging import wake_channels
from notifications.uses import uses_of
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import Team, User
from opsknight.services.audit import MASK, record_change
from opsknight.services.configuration import delete_recorded, save_changes, save_new

FIELDS = ("name", "team", "channel", "address", "enabled", "broken_reason")
# A second test within this time, while the first is on its way, would tell nothing new.
TEST_PAUSE = timedelta(seconds=30)
# In an hour, to one address by however many destinations: it may be a stranger's mailbox.
MAX_TESTS = 20


class DestinationValues(TypedDict, total=False):
    """What can be set; what is left out stays as it is."""

    name: str
    team: Team | None
    channel: str  # only when it is made
    address: str
    enabled: bool


def create_destination(
    *, values: DestinationValues, actor: User, ip: str | None = None
) -> Destination:
    """Make a destination; a webhook gets a secret that signs.

    Raises InvalidInput with the fields; a team must be one that the actor runs, a user group of
    Slack is for administrators.
    """
    _check_team(values, actor)
    place = Destination(**values)
    _check_group(place, actor)
    if place.channel == Channel.WEBHOOK:
        place.secret = secrets.token_urlsafe(32)
    save_new(entity=place, fields=FIELDS, action="destination.created", actor=actor, ip=ip)
    return place


@transaction.atomic
def update_destination(
    *, destination: Destination, values: DestinationValues, actor: User, ip: str | None = None
) -> Destination:
    """Change it; pages that wait go to the new address. Raises InvalidInput with the fields.

    With a new address, or switched on, it is not broken any more: it is used again, unless
    `enabled` says otherwise. Its channel stays, a policy may rely on it.
    """
    was = destination.address
    if values.get("channel", destination.channel) != destination.channel:
        message = "The kind cannot be changed. Make another destination."
        raise InvalidInput(message, fields={"channel": [message]})
    if values.get("team", destination.team) != destination.team:
        _check_team(values, actor)
    moved = values.get("address", was).strip()
    if moved != was:
        _check_group(Destination(channel=destination.channel, address=moved), actor)
    changes: dict[str, Any] = dict(values)
    if destination.is_broken and (moved != was or changes.get("enabled")):
        changes = {"enabled": True} | changes | {"broken_reason": ""}
    save_changes(
        entity=destination, values=changes, action="destination.updated", actor=actor, ip=ip
    )
    if destination.address != was:
        waiting = Notification.objects.filter(state=Notification.State.PENDING)
        waiting.filter(destination=destination).update(address=destination.address)
    return destination


@transaction.atomic
def renew_secret(*, destination: Destination, actor: User, ip: str | None = None) -> str:
    """Give a webhook another signing secret, used from the next message on; returns it.

    Raises Conflict for what signs nothing.
    """
    if destination.channel != Channel.WEBHOOK:
        raise Conflict("Only webhooks are signed.")
    fresh = secrets.token_urlsafe(32)
    # Not `save`: the old one may be unreadable, because its encryption key was lost.
    Destination.objects.filter(pk=destination.pk).update(secret=fresh)
    record_change(
        actor=actor,
        action="destination.secret_renewed",
        entity=destination,
        changes={"secret": [MASK, MASK]},
        ip=ip,
    )
    return fresh


def delete_destination(*, destination: Destination, actor: User, ip: str | None = None) -> None:
    """Delete it, with what is known of its deliveries; raises Conflict while something pages it."""
    if uses := uses_of(destination):
        names = ", ".join(use.name for use in uses[:10])
        raise Conflict(f"{destination.name} is paged by {names}. Take it out there first.")
    try:
        delete_recorded(
            entity=destination, fields=FIELDS, action="destination.deleted", actor=actor, ip=ip
        )
    except ProtectedError as error:
        raise Conflict(
            f"{destination.name} is paged by a policy. Take it out of the steps first."
        ) from error


@transaction.atomic
def send_test(
    *, destination: Destination, actor: User, now: datetime, ip: str | None = None
) -> Notification:
    """Queue a test message, sent by the same way as pages.

    Raises Conflict for a destination that is switched off, while a test is on its way, and after
    MAX_TESTS in an hour.
    """
    if not destination.enabled:
        raise Conflict(f"{destination.name} is switched off. Switch it on first.")
    tests = destination.notifications.filter(reason=Notification.Reason.TEST)
    under_way = tests.filter(state__in=Notification.UNFINISHED, created_at__gt=now - TEST_PAUSE)
    if under_way.exists():
        raise Conflict("A test is on its way already.")
    _check_tests(destination, now)
    request = NoticeRequest(
        user_id=None,
        subject=f"Test of {destination.name}",
        text=f"{actor} tries whether pages reach {destination.name}. Nothing is wrong.",
        link=f"/destinations/{destination.pk}/",
        cause=f"test:{uuid4()}",
        destination_id=destination.pk,
    )
    row = build_notice(
        request, destination.channel, destination.address, now, Notification.Reason.TEST
    )
    row.save(force_insert=True)
    record_change(actor=actor, action="destination.tested", entity=destination, ip=ip)
    wake_channels([destination.channel])
    return row


def _check_tests(destination: Destination, now: datetime) -> None:
    """Raise Conflict after MAX_TESTS, those that were sent again among them."""
    twins = Destination.objects.filter(channel=destination.channel, address=destination.address)
    tests = Notification.objects.filter(
        destination__in=twins.values("pk"),
        reason=Notification.Reason.TEST,
        created_at__gt=now - timedelta(hours=1),
    )
    if tests.count() >= MAX_TESTS:
        raise Conflict("Many tests were sent there within an hour. Wait a while.")


def _check_group(destination: Destination, actor: User) -> None:
    """Raise InvalidInput for a user group: others may rely on who its members are."""
    is_group = destination.channel == Channel.SLACK and is_user_group(destination.address.strip())
    if is_group and not actor.is_admin:
        message = "Only administrators let a schedule decide who is in a user group of Slack."
        raise InvalidInput(message, fields={"address": [message]})


def _check_team(values: Mapping[str, Any], actor: User) -> None:
    """Raise InvalidInput for a team that the actor does not run, or none but for administrators."""
    team = values.get("team")
    if actor.is_admin or (team and teams_run_by(actor).filter(pk=team.pk).exists()):
        return
    message = "Choose a team that you lead. Only administrators make destinations without a team."
    raise InvalidInput(message, fields={"team": [message]})
