"""What is forgotten, and what is kept."""

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from opsknight.models import ApiKey, AuditEntry, LoginLockout, User, UserToken
from opsknight.services.accounts import create_reset_link
from opsknight.services.keys import create_api_key, revoke_api_key
from opsknight.services.login import count_failure
from opsknight.tasks import forget_expired

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_links_that_are_too_old_go(alice: User, bob: User) -> None:
    now = timezone.now()
    create_reset_link(actor=alice, user=alice, now=now - timedelta(hours=2))
    create_reset_link(actor=alice, user=bob, now=now)

    forget_expired()

    assert UserToken.objects.get().user == bob


def test_lockouts_of_the_day_before_go(db: None) -> None:
    now = timezone.now()
    count_failure(key="old", now=now - 2 * DAY)
    count_failure(key="new", now=now)

    forget_expired()

    assert LoginLockout.objects.get().key == "new"


def test_sessions_that_have_ended_go(db: None) -> None:
    for days in (-1, 1):
        session = SessionStore()
        session.set_expiry(timezone.now() + days * DAY)
        session.save()

    forget_expired()

    assert Session.objects.get().expire_date > timezone.now()


def test_keys_go_90_days_after_they_were_revoked(bob: User) -> None:
    now = timezone.now()
    for name, revoked_at in [("old", now - 91 * DAY), ("new", now - 89 * DAY), ("valid", None)]:
        key, _ = create_api_key(user=bob, name=name, scopes=["events:write"])
        if revoked_at:
            revoke_api_key(key=key, actor=bob, now=revoked_at)

    forget_expired()

    assert set(ApiKey.objects.values_list("name", flat=True)) == {"new", "valid"}


def test_the_audit_log_is_kept(alice: User) -> None:
    entry = AuditEntry.objects.create(action="user.created", at=timezone.now() - 4000 * DAY)

    forget_expired()

    assert AuditEntry.objects.filter(pk=entry.pk).exists()
