"""Deferred work of the core."""

from datetime import datetime, timedelta

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from opsknight.models import ApiKey, LoginLockout, UserToken
from opsknight.services.login import MEMORY

KEPT_REVOKED_KEYS = timedelta(days=90)


@shared_task(name="opsknight.tasks.forget_expired", time_limit=300)
def forget_expired() -> None:
    """Delete what has no meaning any more: links, lockouts, sessions, keys revoked long ago.

    The audit log is kept. Safe to run twice because each deletion names rows that stay expired.
    """
    delete_expired(now=timezone.now())


def delete_expired(*, now: datetime) -> None:
    """Delete what is expired at `now`."""
    UserToken.objects.filter(expires_at__lte=now).delete()
    LoginLockout.objects.filter(last_failed_at__lt=now - MEMORY).delete()
    Session.objects.filter(expire_date__lt=now).delete()
    ApiKey.objects.filter(revoked_at__lt=now - KEPT_REVOKED_KEYS).delete()
