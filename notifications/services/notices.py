"""Notices: telling people and destinations what is about no incident, and reading them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notifications.models import Destination, Notification
from notifications.models.preferences import Channel
from notifications.selectors import get_notice_for, notices_of
from notifications.services.nudging import wake_channels
from notifications.turns import turn_of
from opsknight.models import User
from realtime.publish import notices_changed

MAX_SUBJECT_LENGTH = 200


@dataclass(frozen=True)
class NoticeRequest:
    """This person, or this destination, must know: exactly one of both."""

    user_id: int | None
    subject: str  # one line, cut at 200 characters
    text: str
    link: str  # path of the page it leads to, "/schedules/3/"; may be empty
    cause: str  # at most 64 characters; told once per cause
    destination_id: int | None = None
    # For machines: put beside subject, text and url into the body of a webhook.
    details: Mapping[str, Any] = field(default_factory=dict)


def queue_notices(*, notices: Sequence[NoticeRequest], now: datetime) -> int:
    """Queue on-call notices: in the app and to the account's address, or to a destination.

    The caller holds the transaction. Once per cause and recipient, also when asked in parallel;
    not to people who are not active, nor to destinations that are switched off. Returns how many
    recipients are told now. At most four queries.
    """
    if not notices:
        return 0
    told = set(
        Notification.objects.filter(
            incident=None, cause__in={notice.cause for notice in notices}
        ).values_list("user_id", "destination_id", "cause")
    )
    fresh = [n for n in notices if (n.user_id, n.destination_id, n.cause) not in told]
    people = User.objects.filter(
        pk__in={n.user_id for n in fresh if n.user_id is not None}, status=User.Status.ACTIVE
    )
    addresses = dict(people.values_list("pk", "email"))
    places = Destination.objects.defer("secret").filter(
        pk__in={n.destination_id for n in fresh if n.destination_id is not None}, enabled=True
    )
    rows = [*_rows_to_people(fresh, addresses, now)]
    rows += _rows_to_destinations(fresh, {place.pk: place for place in places}, now)
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    wake_channels(row.channel for row in rows)
    return len({(row.user_id, row.destination_id, row.cause) for row in rows})


def _rows_to_people(
    notices: Iterable[NoticeRequest], addresses: Mapping[int, str], now: datetime
) -> list[Notification]:
    rows = []
    for notice in notices:
        if notice.user_id is None or notice.user_id not in addresses:
            continue
        address = addresses[notice.user_id]
        rows.append(build_notice(notice, Channel.IN_APP, "", now))
        rows.append(build_notice(notice, Channel.EMAIL, address, now))
    return rows


def _rows_to_destinations(
    notices: Iterable[NoticeRequest], places: Mapping[int, Destination], now: datetime
) -> list[Notification]:
    return [
        build_notice(notice, place.channel, place.address, now)
        for notice in notices
        if notice.destination_id is not None
        and (place := places.get(notice.destination_id)) is not None
    ]


def build_notice(
    notice: NoticeRequest,
    channel: str,
    address: str,
    now: datetime,
    reason: Notification.Reason = Notification.Reason.ON_CALL,
) -> Notification:
    """An unsaved row of the outbox."""
    return Notification(
        user_id=notice.user_id,
        destination_id=notice.destination_id,
        subject=notice.subject[:MAX_SUBJECT_LENGTH],
        text=notice.text,
        link=notice.link,
        details=dict(notice.details),
        channel=channel,
        address=address,
        reason=reason,
        cause=notice.cause,
        turn=turn_of(reason),
        due_at=now,
        created_at=now,
    )


def read_notice(*, user: User, pk: int, now: datetime) -> Notification:
    """Mark one notice as read; again does nothing. Raises NotFound."""
    notice = get_notice_for(user, pk)
    if notice.read_at is None:
        notice.read_at = now
        notice.save(update_fields=["read_at"])
        notices_changed([user.pk])
    return notice


def read_all_notices(*, user: User, now: datetime) -> int:
    """Mark every notice as read; returns how many were not."""
    count = notices_of(user).filter(read_at=None).update(read_at=now)
    if count:
        notices_changed([user.pk])
    return count
