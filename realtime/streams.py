"""The open streams of this process: one listener per page, each event encoded once for all.

The registry, the lock and the wire format are django-eventstream's. Its generator is not used: it
throws away what arrives while a stream opens, encodes every event once per stream, and answers an
overflow with a read of the database.
"""

import asyncio
import random
from collections.abc import Iterable
from typing import Any

from django_eventstream.utils import sse_encode_error, sse_encode_event
from django_eventstream.views import Listener, get_listener_manager

from realtime.access import EVERYBODY, Viewer

# Waiting events per stream; above that the page is told to fetch itself again.
PENDING = 64
# A stream ends after this much, and the page opens the next one: the web server keeps what a
# stalled client does not read, so this bounds the memory of each.
MOST_BYTES = 2 * 1024 * 1024
# Pages that are told to fetch themselves again spread over the time that this rate gives.
REFRESHES_PER_SECOND = 50

# "You missed something: fetch once what you show", in the library's own words.
RESET = "stream-reset"
KEEP_ALIVE = b"event: keep-alive\ndata:\n\n"


class StreamListener(Listener):  # type: ignore[misc]  # the library has no types
    """One open page. Touched only on the event loop, except through the library's `kick`."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.user_id = viewer.user_id
        self.channels = set(viewer.channels)
        self.is_ended = False
        self._frames: list[bytes] = []
        self._sent = 0

    def push(self, frame: bytes) -> None:
        """Queue one encoded event; what overflows becomes the hint to fetch everything again."""
        if len(self._frames) >= PENDING:
            self._frames = [reset_frame()]
        else:
            self._frames.append(frame)
        self.aevent.set()

    def take(self) -> bytes:
        """Everything that waits, as one piece."""
        self.aevent.clear()
        waiting = b"".join(self._frames)
        self._frames = []
        if self.error:  # somebody was kicked through the library
            waiting += str(sse_encode_error(**self.error)).encode()
            self.end()
        self._sent += len(waiting)
        if self._sent > MOST_BYTES:
            self.end()
        return waiting

    def end(self) -> None:
        """Finish the stream. The page opens another, which asks anew who may listen."""
        self.is_ended = True
        self.aevent.set()


def encode(event: str, data: Any) -> bytes:
    """One event as it goes over the wire."""
    return str(sse_encode_event(event, data, json_encode=True)).encode()


def reset_frame() -> bytes:
    """The hint to fetch everything again, spread over as long as all pages together take."""
    return encode(RESET, {"spread_ms": spread_ms()})


def spread_ms() -> int:
    """How long the pages of this process take to fetch themselves again at a bearable rate."""
    return 1000 * count_streams() // REFRESHES_PER_SECOND


def deliver(channels: Iterable[str], frame: bytes) -> None:
    """Hand one encoded event to every stream that listens to any of the channels, once each."""
    manager = get_listener_manager()
    with manager.lock:
        heard = [manager.listeners_by_channel.get(channel, ()) for channel in channels]
        for listener in set().union(*heard):
            listener.push(frame)


def opening() -> bytes:
    """What a stream begins with."""
    # Some proxies and browsers hold back the first bytes until there are enough of them.
    padding = b":" + b" " * 2048 + b"\n\n"
    # At random, so that the pages of a restarted server do not come back all at once.
    retry_ms = random.randint(1000, 3000)  # noqa: S311 - not a secret
    retry = b"retry: %d\n" % retry_ms
    return padding + retry + encode("stream-open", {"spread_ms": spread_ms()})


def open_streams() -> list[StreamListener]:
    """Every open stream of this process."""
    manager = get_listener_manager()
    with manager.lock:
        return list(manager.listeners_by_channel.get(EVERYBODY, ()))


def count_streams() -> int:
    """How many streams are open: everybody who listens listens to this channel."""
    return len(get_listener_manager().listeners_by_channel.get(EVERYBODY, ()))


async def wait_for_events(listener: StreamListener, seconds: float) -> bool:
    """Wait until something is there to take; False after so many seconds without."""
    try:
        async with asyncio.timeout(seconds):
            await listener.aevent.wait()
    except TimeoutError:
        return False
    return True
