"""What was answered 202 while the database was away: an fsynced log on local disk.

All processes of a machine share one folder. `current` is appended to under a lock; when it is
large, or about to be read, it is renamed to a segment. A record is `MAGIC, length, digest, bytes`:
one that was torn by a crash was never answered, and reading goes on behind it. The digest has a
key, so that nobody can send an event that looks like a record inside a torn one.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

MAGIC = b"\x89OKspool"
_HEAD = struct.Struct("<8sI16s")
SEGMENT_BYTES = 16 * 1024 * 1024
CURRENT = "current"
SUFFIX = ".segment"
DAMAGED = ".damaged"


class SpoolFull(Exception):
    """The disk, or what the spool may use of it, is full; nothing was kept."""


class Spool:
    """The spool in one folder; safe for several processes and threads at once."""

    def __init__(self, folder: Path, max_bytes: int, key: bytes = b"") -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._key = key[:64]
        self._aside: set[bytes] = set()  # digests
        self._make_folder()

    def is_waiting(self) -> bool:
        """Whether anything is kept that is not in the database yet."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:  # removed under our feet; the next append makes it anew
            return False
        return any(name == CURRENT or name.endswith(SUFFIX) for name in names)

    def size(self) -> int:
        """Bytes that wait."""
        total = 0
        for name in (CURRENT, *self._segments()):
            with contextlib.suppress(FileNotFoundError):
                total += (self._folder / name).stat().st_size
        return total

    def append(self, records: Sequence[bytes]) -> None:
        """Keep the records; on return they are on disk. Raises SpoolFull, then none is."""
        data = b"".join(self._framed(record) for record in records)
        try:
            self._make_folder()
            with self._locked("append.lock"):
                if self.size() + len(data) > self._max_bytes:
                    raise SpoolFull(f"It holds {self._max_bytes} bytes, which is the limit.")
                self._write(data)
        except OSError as error:
            raise SpoolFull(str(error)) from error

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _write(self, data: bytes) -> None:
        path = self._folder / CURRENT
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            try:
                written = 0
                while written < len(data):
                    written += os.write(descriptor, data[written:])
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            self._sync_folder()
        if size + len(data) > SEGMENT_BYTES:
            self._close_current()

    def _close_current(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            number = time.time_ns()
            known = [name.removesuffix(SUFFIX) for name in self._segments()]
            if known and known[-1].isdecimal():  # the clock may have been set back
                number = max(number, int(known[-1]) + 1)
            os.rename(self._folder / CURRENT, self._folder / f"{number:020d}{SUFFIX}")
            self._sync_folder()

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _segments(self) -> list[str]:
        return sorted(name for name in os.listdir(self._folder) if name.endswith(SUFFIX))

    @contextmanager
    def draining(self) -> Iterator[bool]:
        """Whether we are the one process that empties the spool now."""
        with open(self._folder / "drain.lock", "wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def oldest(self) -> Path | None:
        """The segment to be read next; call it while draining."""
        segments = self._segments()
        if not segments:
            with self._locked("append.lock"):
                self._close_current()
            segments = self._segments()
        return self._folder / segments[0] if segments else None

    def read(self, segment: Path) -> Iterator[bytes]:
        """The records of a segment in order. One with torn records is kept beside it."""
        data = segment.read_bytes()
        place = 0
        while place < len(data):
            if (record := self._record_at(data, place)) is not None:
                yield record
                place += _HEAD.size + len(record)
                continue
            if not (aside := segment.with_suffix(DAMAGED)).exists():
                logger.warning("%s is damaged at byte %d; see %s.", segment, place, aside)
                _copy(segment, aside)
            place = data.find(MAGIC, place + 1)
            if place < 0:
                return

    def _record_at(self, data: bytes, place: int) -> bytes | None:
        begin = place + _HEAD.size
        if begin > len(data):
            return None
        magic, length, digest = _HEAD.unpack_from(data, place)
        record = data[begin : begin + length]
        if magic != MAGIC or len(record) != length or self._digest(record) != digest:
            return None
        return record

    def remove(self, segment: Path) -> None:
        """Forget a segment: everything of it is in the database."""
        segment.unlink()
        self._sync_folder()

    def put_aside(self, record: bytes) -> None:
        """Keep a record that cannot be understood, for a person to look at; the same one once."""
        digest = self._digest(record)
        if digest in self._aside:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with open(os.open(self._folder / "unreadable", flags, 0o600), "ab") as file:
            file.write(self._framed(record))
            file.flush()
            os.fsync(file.fileno())
        self._aside.add(digest)

    def _framed(self, record: bytes) -> bytes:
        return _HEAD.pack(MAGIC, len(record), self._digest(record)) + record

    def _digest(self, record: bytes) -> bytes:
        return hashlib.blake2b(record, digest_size=16, key=self._key).digest()

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with open(self._folder / name, "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _copy(segment: Path, aside: Path) -> None:
    """Keep a segment under a second name; where that is impossible its good records still count."""
    try:
        os.link(segment, aside)
    except OSError:  # not every file system has links
        try:
            shutil.copyfile(segment, aside)
        except OSError as error:
            logger.error("%s cannot be kept: %s", aside, error)
