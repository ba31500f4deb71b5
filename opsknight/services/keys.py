"""Keys of the REST API: made once, shown once, known afterwards by their hash only."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from opsknight.errors import InvalidInput, NotFound
from opsknight.models import ApiKey, User
from opsknight.services.audit import Changes, record_change

TOKEN_PREFIX = "ok_"  # noqa: S105 - how keys begin, not a key
VISIBLE_CHARACTERS = 11  # of the stored prefix, enough to tell keys apart and no help in guessing
# `last_used_at` is written at most this often, so that reading does not become writing.
USE_RESOLUTION = timedelta(minutes=1)


@transaction.atomic
def create_api_key(
    *,
    user: User,
    name: str,
    scopes: Sequence[str],
    actor: User | None = None,
    ip: str | None = None,
) -> tuple[ApiKey, str]:
    """Create a key that acts as `user`; the second value is the key itself, never shown again.

    `actor` None: the user. Raises InvalidInput for an empty name or an unknown scope.
    """
    _check(name, scopes)
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        user=user,
        name=name.strip(),
        prefix=token[:VISIBLE_CHARACTERS],
        token_hash=_hash(token),
        scopes=sorted(set(scopes)),
    )
    changes: Changes = {"name": [None, key.name], "scopes": [None, key.scopes]}
    record_change(actor=actor or user, action="api_key.created", entity=key, changes=changes, ip=ip)
    return key, token


def authenticate_key(token: str, *, now: datetime | None = None) -> ApiKey | None:
    """The key with its `user`, or None: unknown, revoked, or its owner may not sign in.

    One query by the hash, so the time taken says nothing about how much of a guess was right.
    """
    now = now or timezone.now()
    if not token.startswith(TOKEN_PREFIX) or len(token) > 100:
        return None
    key = (
        ApiKey.objects.select_related("user")
        .filter(token_hash=_hash(token), revoked_at__isnull=True)
        .first()
    )
    if key is None or not key.user.is_active:
        return None
    _note_use(key, now)
    return key


@transaction.atomic
def revoke_api_key(
    *, key: ApiKey, actor: User | None, now: datetime | None = None, ip: str | None = None
) -> None:
    """Make the key useless at once; a key that is revoked already stays as it is."""
    now = now or timezone.now()
    if ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now):
        changes = {"revoked_at": [None, now]}
        record_change(actor=actor, action="api_key.revoked", entity=key, changes=changes, ip=ip)
    key.refresh_from_db(fields=["revoked_at"])


def get_own_api_key(user: User, pk: int) -> ApiKey:
    """One of the person's own keys; raises NotFound."""
    key = ApiKey.objects.filter(user=user, pk=pk).first()
    if key is None:
        raise NotFound("There is no such key.")
    return key


def _note_use(key: ApiKey, now: datetime) -> None:
    if key.last_used_at is not None and now - key.last_used_at < USE_RESOLUTION:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USE_RESOLUTION)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    key.last_used_at = now


def _check(name: str, scopes: Sequence[str]) -> None:
    fields: dict[str, list[str]] = {}
    if not 1 <= len(name.strip()) <= 200:
        fields["name"] = ["Give the key a name of at most 200 characters."]
    unknown = sorted(set(scopes) - set(ApiKey.Scope.values))
    if unknown:
        known = ", ".join(ApiKey.Scope.values)
        fields["scopes"] = [f"Unknown: {', '.join(unknown)}. Use some of {known}."]
    elif not scopes:
        fields["scopes"] = ["Choose at least one scope."]
    if fields:
        raise InvalidInput("The key was not created.", fields=fields)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
