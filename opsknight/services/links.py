"""One-time links: made, shown once, known afterwards by their hash only."""

import hashlib
import secrets
from datetime import datetime, timedelta

from opsknight.errors import OpsKnightError
from opsknight.models import User, UserToken

LIFETIMES = {
    UserToken.Purpose.SETUP: timedelta(hours=24),
    UserToken.Purpose.INVITE: timedelta(days=7),
    UserToken.Purpose.PASSWORD_RESET: timedelta(hours=1),
}


class LinkUnusable(OpsKnightError):
    """The link was used, is too old, was replaced by a newer one, or never existed."""

    code = "link_unusable"
    status = 410


def issue_link(*, purpose: UserToken.Purpose, user: User | None, now: datetime) -> str:
    """Make a link's token and forget the older ones of this purpose and person.

    Expects a transaction.
    """
    withdraw_links(purpose=purpose, user=user)
    token = secrets.token_urlsafe(32)
    UserToken.objects.create(
        purpose=purpose,
        user=user,
        token_hash=_hash(token),
        created_at=now,
        expires_at=now + LIFETIMES[purpose],
    )
    return token


def withdraw_links(*, purpose: UserToken.Purpose, user: User | None) -> None:
    """Make the unused links of this purpose and person useless."""
    UserToken.objects.filter(purpose=purpose, user=user, used_at__isnull=True).delete()


def find_link(*, purpose: UserToken.Purpose, token: str, now: datetime) -> UserToken:
    """The usable link with its user; raises LinkUnusable."""
    return _usable(purpose, token, now, lock=False)


def take_link(*, purpose: UserToken.Purpose, token: str, now: datetime) -> UserToken:
    """Use the link up; of two at once one gets it, the other LinkUnusable.

    Expects a transaction: when it fails, the link can be used again.
    """
    link = _usable(purpose, token, now, lock=True)
    link.used_at = now
    link.save(update_fields=["used_at"])
    return link


def _usable(purpose: UserToken.Purpose, token: str, now: datetime, *, lock: bool) -> UserToken:
    links = UserToken.objects.filter(
        purpose=purpose, token_hash=_hash(token), used_at__isnull=True, expires_at__gt=now
    )
    # The second of two waits for the first, then finds no row that is still unused.
    link = links.select_for_update().first() if lock else links.select_related("user").first()
    if link is None:
        raise LinkUnusable(
            "This link was used already, is too old, or was replaced by a newer one."
        )
    return link


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
