"""What was sent in the last seconds, for pages whose stream opens a moment after they were read."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

KEEP_SECONDS = 10.0
KEEP_EVENTS = 500


@dataclass(frozen=True)
class SentEvent:
    """One event as it went out."""

    at: float  # on the event loop's clock
    channels: frozenset[str]
    frame: bytes


class RecentEvents:
    """The events of the last seconds, and since when nothing is missing among them."""

    def __init__(self) -> None:
        self._events: deque[SentEvent] = deque()
        self._complete_since: float | None = None

    def start(self, now: float) -> None:
        """From now on every event is remembered."""
        if self._complete_since is None:
            self._complete_since = now

    def stop(self) -> None:
        """Events may be missing from now on."""
        self._events.clear()
        self._complete_since = None

    def remember(self, channels: Iterable[str], frame: bytes, now: float) -> None:
        """Keep one event for a while."""
        self._events.append(SentEvent(now, frozenset(channels), frame))
        self._forget(now)

    def since(self, moment: float, channels: Iterable[str], now: float) -> list[bytes] | None:
        """The events for these channels since the moment; None when some may be missing."""
        self._forget(now)
        if self._complete_since is None or moment < self._complete_since:
            return None
        heard = frozenset(channels)
        return [e.frame for e in self._events if e.at >= moment and e.channels & heard]

    def _forget(self, now: float) -> None:
        while self._events and (
            self._events[0].at < now - KEEP_SECONDS or len(self._events) > KEEP_EVENTS
        ):
            forgotten = self._events.popleft()
            if self._complete_since is not None:
                self._complete_since = max(self._complete_since, forgotten.at)
