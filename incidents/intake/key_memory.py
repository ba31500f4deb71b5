"""What web processes know of keys, on disk: for one that starts while the database is away.

One encrypted file beside the spool, shared by the processes of a machine. It is asked only when the
database does not answer.
"""

import base64
import fcntl
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from incidents.intake.key_owner import KeyOwner
from opsknight.encryption import CannotDecrypt, decrypt, encrypt

logger = logging.getLogger(__name__)

KEEP_SECONDS = 7 * 24 * 3600
Remembered = dict[str, tuple[float, KeyOwner]]  # by key; with the time it was last seen

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Remembered)


class KeyMemory:
    """The file in one folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "keys"
        self._read_at: int | None = None  # the file's time of change
        self._read: Remembered = {}

    def find(self, key: str) -> KeyOwner | None:
        """The owner as it was last seen; None when it never was."""
        try:
            changed = self._path.stat().st_mtime_ns
        except OSError:
            return None
        if changed != self._read_at:
            self._read, self._read_at = self._load(), changed
        found = self._read.get(key)
        return found[1] if found else None

    def save(self, owners: Mapping[str, KeyOwner | None]) -> None:
        """Add what was seen, and forget the keys that have no owner any more (None)."""
        now = time.time()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self._path.with_name("keys.lock"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = {k: v for k, v in self._load().items() if v[0] > now - KEEP_SECONDS}
            for key, owner in owners.items():
                known.pop(key, None)
                if owner is not None:
                    known[key] = (now, owner)
            self._write(known)

    def _load(self) -> Remembered:
        try:
            text = decrypt(self._path.read_text())
            return _decoder.decode(base64.b64decode(text))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, msgspec.DecodeError, CannotDecrypt) as error:
            logger.warning("%s is not readable and is made anew: %s", self._path, error)
            return {}

    def _write(self, known: Remembered) -> None:
        text = encrypt(base64.b64encode(_encoder.encode(known)).decode())
        new = self._path.with_name("keys.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._path)
