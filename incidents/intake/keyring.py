"""From a key to its integration, remembered for a few seconds."""

import time
from collections import OrderedDict
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection

from incidents.intake.rules import RuleTexts
from incidents.models import Integration

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
        row = (
            Integration.objects.filter(key=key)
            .values_list("id", "service_id", "kind", "name", "enabled", "key")
            .first()
        )
    finally:
        connection.close()  # this thread is borrowed; its connection goes back to the pool
    return KeyOwner(*row) if row else None
