"""Notices in the app: reading them."""

from datetime import datetime

from notifications.models import Notification
from notifications.selectors import get_notice_for, notices_of
from opsknight.models import User
from realtime.publish import notices_changed


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
