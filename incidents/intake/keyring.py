"""From a key to its integration, remembered for a few seconds."""

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from django.db import Error, close_old_connections, connection
from django.utils import timezone

from incidents.intake.key_memory import KeyMemory
from incidents.intake.key_owner import KeyOwner
from incidents.models import Integration
from incidents.services.rules import rule_texts_of
from opsknight.encryption import CannotDecrypt

logger = logging.getLogger(__name__)

# How long an answer is believed. The committer asks again whether the integration is enabled.
KNOWN_SECONDS = 10.0
UNKNOWN_SECONDS = 2.0
MAX_ENTRIES = 20_000
MAX_KEY_LENGTH = 64
PATIENCE_SECONDS = 1.0  # that the database has to answer
THREADS = 4
MAX_ASKED = 500  # keys at once; a flood of invented ones must not queue for minutes
SAVE_EVERY_SECONDS = 5.0
SAVE_AGAIN_SECONDS = 24 * 3600.0  # what has not changed, so that it is not taken for forgotten


class Keyring:
    """Looks keys up in the database; remembers answers, also the negative ones.

    While the database does not answer, what was last known holds: `memory` also knows what earlier
    processes saw.
    """

    def __init__(self, memory: KeyMemory | None = None) -> None:
        self._known: OrderedDict[str, tuple[float, KeyOwner | None]] = OrderedDict()
        self._asked: dict[str, Future[KeyOwner | None]] = {}
        self._threads = ThreadPoolExecutor(THREADS, "keyring")
        self._memory = memory
        self._saved: dict[str, tuple[float, KeyOwner]] = {}
        self._unsaved: dict[str, KeyOwner | None] = {}

    async def find(self, key: str) -> KeyOwner | None:
        """The owner of the key, None when there is none.

        Raises django.db.Error or TimeoutError when nobody can say.
        """
        if not key or len(key) > MAX_KEY_LENGTH or not key.isascii() or "\x00" in key:
            return None
        remembered = self._known.get(key)
        if remembered is not None and remembered[0] > time.monotonic():
            return remembered[1]
        try:
            owner = await asyncio.wait_for(self._ask(key), PATIENCE_SECONDS)
        except (Error, TimeoutError) as error:
            return self._last_known(key, error)
        self._remember(key, owner)
        self._learn(key, owner)
        return owner

    def _ask(self, key: str) -> "asyncio.Future[KeyOwner | None]":
        """The database's answer; all who ask for one key at a time share it."""
        asked = self._asked.get(key)
        if asked is None:
            if len(self._asked) >= MAX_ASKED:
                raise TimeoutError("Too many keys are being looked up.")
            asked = self._asked[key] = self._threads.submit(_look_up, key)
            asked.add_done_callback(lambda _: self._asked.pop(key, None))
        return asyncio.shield(asyncio.wrap_future(asked))

    def _last_known(self, key: str, error: Exception) -> KeyOwner | None:
        remembered = self._known.get(key)
        if remembered is not None:  # also that it was none: the memory may be older
            owner = remembered[1]
        else:
            owner = self._memory.find(key) if self._memory is not None else None
        if owner is None:
            raise error
        logger.warning("The database does not answer; a key is believed as it was last known.")
        self._remember(key, owner, UNKNOWN_SECONDS)
        return owner

    def _remember(self, key: str, owner: KeyOwner | None, seconds: float | None = None) -> None:
        if seconds is None:
            seconds = UNKNOWN_SECONDS if owner is None else KNOWN_SECONDS
        self._known[key] = (time.monotonic() + seconds, owner)
        self._known.move_to_end(key)
        while len(self._known) > MAX_ENTRIES:
            self._known.popitem(last=False)

    def _learn(self, key: str, owner: KeyOwner | None) -> None:
        """Note what is news to the memory on disk; a stranger's guesses are none."""
        saved_at, saved = self._saved.get(key, (-SAVE_AGAIN_SECONDS, None))
        if owner == saved and (saved is None or time.monotonic() - saved_at < SAVE_AGAIN_SECONDS):
            return
        self._unsaved[key] = owner
        if owner is None:
            del self._saved[key]
        else:
            self._saved[key] = (time.monotonic(), owner)

    def save(self) -> None:
        """Write what was learnt since the last time to the memory on disk."""
        unsaved, self._unsaved = self._unsaved, {}
        if not unsaved or self._memory is None:
            return
        try:
            self._memory.save(unsaved)
        except BaseException:  # the next time, then
            self._unsaved = unsaved | self._unsaved
            raise


def keep_saving(keyring: Keyring) -> None:
    """Save every few seconds, in a thread of its own, as long as the process lives."""

    def run() -> None:
        while True:
            time.sleep(SAVE_EVERY_SECONDS)
            try:
                keyring.save()
            except Exception:  # a full disk today, room tomorrow
                logger.exception("The keys were not saved.")

    threading.Thread(target=run, name="keyring-saver", daemon=True).start()


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
