"""What was answered 202 while the database was away: an fsynced log on local disk.

All processes of a machine share one folder. `current` is appended to under a lock; when it is
large, or about to be read, it is renamed to a segment. A record is `MAGIC, length, CRC-32, bytes`:
one that was torn by a crash was never answered, and reading goes on behind it.
"""

import contextlib
import fcntl
import logging
import os
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

MAGIC = b"\x89OKspool"
_HEAD = struct.Struct("<8sII")
SEGMENT_BYTES = 16 * 1024 * 1024
CURRENT = "current"
SUFFIX = ".segment"


class SpoolFull(Exception):
    """The disk, or what the spool may use of it, is full; nothing was kept."""


class Spool:
    """The spool in one folder; safe for several processes and threads at once."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
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
        data = b"".join(_HEAD.pack(MAGIC, len(r), zlib.crc32(r)) + r for r in records)
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
            os.rename(self._folder / CURRENT, self._folder / f"{time.time_ns():020d}{SUFFIX}")
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

    def remove(self, segment: Path) -> None:
        """Forget a segment: everything of it is in the database."""
        segment.unlink()
        self._sync_folder()

    def put_aside(self, record: bytes) -> None:
        """Keep a record that cannot be understood, for a person to look at."""
        with open(self._folder / "unreadable", "ab") as file:
            file.write(_HEAD.pack(MAGIC, len(record), zlib.crc32(record)) + record)

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with open(self._folder / name, "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def read_segment(segment: Path) -> Iterator[bytes]:
    """The records of a segment in order, without those a crash has torn."""
    data = segment.read_bytes()
    place = 0
    while (place := data.find(MAGIC, place)) >= 0:
        end = place + _HEAD.size
        if end > len(data):
            return
        _, length, checksum = _HEAD.unpack_from(data, place)
        record = data[end : end + length]
        if len(record) == length and zlib.crc32(record) == checksum:
            yield record
            place = end + length
        else:
            logger.warning("%s has a torn record at byte %d; nobody was told 202.", segment, place)
            place += 1
