"""From a key to its integration, remembered for a few seconds."""

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection
from django.utils import timezone

from incidents.intake.rules import RuleTexts
from incidents.models import Integration
from incidents.services.rules import rule_texts_of
from opsknight.encryption import CannotDecrypt

logger = logging.getLogger(__name__)

# How long an answer is believed. The committer asks again whether the integration is enabled.
KNOWN_SECONDS = 10.0
UNKNOWN_SECONDS = 2.0
MAX_ENTRIES = 20_000
MAX_KEY_LENGTH = 64


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The integration behind a key, with what the door must know of it."""

    integration_id: int
    service_id: int
    kind: str
    name: str
    enabled: bool
    key: str
    rate_limit: int = 0  # events in a minute; 0: no limit
    signature_required: bool = False
    signing_secrets: tuple[str, ...] = ()  # in plain, the newest first
    rules: RuleTexts | None = None


class Keyring:
    """Looks keys up in the database; remembers answers, also the negative ones."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, KeyOwner | None]] = OrderedDict()

    async def find(self, key: str) -> KeyOwner | None:
        """The owner of the key, None when there is none; raises django.db.Error."""
        if not key or len(key) > MAX_KEY_LENGTH or not key.isascii() or "\x00" in key:
            return None
        now = time.monotonic()
        remembered = self._known.get(key)
        if remembered is not None and remembered[0] > now:
            return remembered[1]
        owner = await sync_to_async(_look_up, thread_sensitive=False)(key)
        self._remember(key, owner, now)
        return owner

    def _remember(self, key: str, owner: KeyOwner | None, now: float) -> None:
        seconds = UNKNOWN_SECONDS if owner is None else KNOWN_SECONDS
        self._known[key] = (now + seconds, owner)
        self._known.move_to_end(key)
        while len(self._known) > MAX_ENTRIES:
            self._known.popitem(last=False)


def _look_up(key: str) -> KeyOwner | None:
    close_old_connections()
    try:
        return _owner(key)
    finally:
        connection.close()  # this thread is borrowed; its connection goes back to the pool


def _owner(key: str) -> KeyOwner | None:
    found = Integration.objects.filter(key=key).select_related("template")
    try:
        row = found.first()
    except CannotDecrypt as error:  # without its secrets its deliveries are refused, and say so
        logger.error("%s", error)
        row = found.defer("signing_secret", "previous_signing_secret").first()
        return None if row is None else owner_of(row, secrets=())
    return None if row is None else owner_of(row)


def owner_of(integration: Integration, secrets: Sequence[str] | None = None) -> KeyOwner:
    """What the door must know of an integration; reads its template and routes."""
    if secrets is None:
        secrets = usable_secrets(integration)
    template = getattr(integration, "template", None)
    return KeyOwner(
        integration_id=integration.pk,
        service_id=integration.service_id,
        kind=integration.kind,
        name=integration.name,
        enabled=integration.enabled,
        key=integration.key,
        rate_limit=integration.rate_limit,
        signature_required=integration.signature_required,
        signing_secrets=tuple(secrets),
        rules=rule_texts_of(template, list(integration.routes.all())),
    )


def usable_secrets(integration: Integration) -> list[str]:
    """The secrets a signature may be made with now, the newest first."""
    secrets = [integration.signing_secret]
    until = integration.previous_secret_until
    if until is not None and until > timezone.now():
        secrets.append(integration.previous_signing_secret)
    return [secret for secret in secrets if secret]
