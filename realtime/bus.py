"""Carries changes from Redis to the open streams of this process.

One subscription and one rendering per change serve all streams, so neither Redis nor the database
notices how many pages are open. Everything runs on the event loop, except what needs the database.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections
from django.utils import timezone

from realtime import topics
from realtime.access import EVERYBODY, outdated_viewers
from realtime.publish import read_change
from realtime.recent import RecentEvents
from realtime.streams import (
    RESET,
    count_streams,
    deliver,
    encode,
    open_streams,
    reset_frame,
    spread_ms,
)
from realtime.subscriber import Subscriber

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.25  # after a change, others are gathered for this long
LINGER_SECONDS = 30.0  # after the last page has gone, changes are still remembered for the next
LOOK_AFTER_SECONDS = 10.0
RECHECK_SECONDS = 30.0  # how long somebody who lost access may still hear something
TROUBLE_PAUSE_SECONDS = 1.0

Result = TypeVar("Result")


class Bus:
    """What one web process needs to keep its open pages live. Runs from the first stream on."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._subscribed = asyncio.Event()
        self._changed = asyncio.Event()
        self._hinted = asyncio.Event()
        self._changes: dict[str, set[int]] = {}
        self._hints: set[str] = set()
        self._recent = RecentEvents()
        self._was_subscribed = False
        self._watched_at = self._rechecked_at = self.loop.time()
        self._subscriber = Subscriber(received=self._receive, arrived=self._arrive, lost=self._lose)
        # One thread: one database connection at most, and only while something is rendered.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live")
        steps = (self._subscriber.listen, self._flush, self._send_hints, self._look_after)
        self._tasks = [self.loop.create_task(_repeat(step)) for step in steps]

    async def wait_until_subscribed(self, seconds: float) -> None:
        """Wait for the subscription, but not longer: a page without Redis is still a page."""
        try:
            async with asyncio.timeout(seconds):
                await self._subscribed.wait()
        except TimeoutError:
            return

    def catch_up(self, moment: float, channels: Iterable[str]) -> bytes:
        """What a page that was read at the moment has missed, or the hint to fetch all again."""
        missed = self._recent.since(moment, channels, self.loop.time())
        return reset_frame() if missed is None else b"".join(missed)

    def watch(self) -> None:
        """Somebody looks: changes are rendered and remembered from now on."""
        self._watched_at = self.loop.time()
        if self._subscribed.is_set():
            self._recent.start(self._watched_at)

    def hint(self, event: str) -> None:
        """Tell all pages soon to fetch themselves again, but not more often than they can."""
        self._hints.add(event)
        self._hinted.set()

    # --- Redis ------------------------------------------------------------------------------------

    def _receive(self, raw: bytes) -> None:
        change = read_change(raw)
        if change is None:
            logger.warning("Ignored a live message that is not ours: %.100r", raw)
            return
        topic, ids = change
        self._changes.setdefault(topic, set()).update(ids)
        self._changed.set()

    def _arrive(self) -> None:
        self._subscribed.set()
        self._recent.start(self.loop.time())
        if self._was_subscribed:
            self.hint(RESET)  # who knows what was said meanwhile
        self._was_subscribed = True

    def _lose(self) -> None:
        self._subscribed.clear()
        self._recent.stop()

    # --- Steps, each repeated for ever ------------------------------------------------------------

    async def _flush(self) -> None:
        """Send what changed: the first change of a quiet time at once, a storm gathered."""
        await self._changed.wait()
        self._changed.clear()
        next_at = self.loop.time() + GATHER_SECONDS
        changes, self._changes = self._changes, {}
        if self._is_watched():
            for topic, ids in changes.items():
                await self._send_changes(topic, sorted(ids))
        else:
            self._recent.stop()
        await asyncio.sleep(max(0, next_at - self.loop.time()))

    async def _send_changes(self, topic: str, ids: list[int]) -> None:
        if event := topics.bulk_event(topic, len(ids)):
            self.hint(event)
            return
        try:
            messages = await self._with_database(lambda: topics.render(topic, ids))
            for message in messages:
                self._send(message.channels, encode(message.event, message.data))
        except Exception:  # the loop's edge: pages fetch what could not be rendered for them
            logger.exception("Live change of %s could not be rendered.", topic)
            self.hint(RESET)

    async def _send_hints(self) -> None:
        await self._hinted.wait()
        self._hinted.clear()
        hints, self._hints = self._hints, set()
        spread = spread_ms()
        for event in sorted(hints):
            self._send((EVERYBODY,), encode(event, {"spread_ms": spread}))
        await asyncio.sleep(max(1.0, spread / 1000))

    async def _look_after(self) -> None:
        await asyncio.sleep(min(LOOK_AFTER_SECONDS, RECHECK_SECONDS))
        if not self._subscribed.is_set():
            self.hint(RESET)  # without Redis the pages poll, and we beat the time
        if self.loop.time() - self._rechecked_at >= RECHECK_SECONDS:
            self._rechecked_at = self.loop.time()
            await self._end_outdated()

    async def _end_outdated(self) -> None:
        viewers = {listener.viewer for listener in open_streams()}
        if not viewers:
            return
        now = timezone.now()
        outdated = await self._with_database(lambda: outdated_viewers(viewers, now=now))
        for listener in open_streams():
            if listener.viewer in outdated:
                listener.end()

    # ----------------------------------------------------------------------------------------------

    def _send(self, channels: Iterable[str], frame: bytes) -> None:
        deliver(channels, frame)
        self._recent.remember(channels, frame, self.loop.time())

    def _is_watched(self) -> bool:
        if count_streams():
            self._watched_at = self.loop.time()
        return self.loop.time() - self._watched_at < LINGER_SECONDS

    async def _with_database(self, work: Callable[[], Result]) -> Result:
        return await self.loop.run_in_executor(self._executor, _and_return_connection, work)


def _and_return_connection(work: Callable[[], Result]) -> Result:
    """Do the work, then give the thread's connection back to the pool."""
    try:
        return work()
    finally:
        connections.close_all()


async def _repeat(step: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await step()
        except Exception:  # the loop's edge: pages must stay live
            logger.exception("Live pages: a step failed and is repeated.")
            await asyncio.sleep(TROUBLE_PAUSE_SECONDS)


_bus: Bus | None = None


def running_bus() -> Bus:
    """The bus of this process, started by the first stream on this event loop."""
    global _bus  # one per process, like the library's listener manager
    if _bus is None or _bus.loop is not asyncio.get_running_loop():
        _bus = Bus()
    return _bus
