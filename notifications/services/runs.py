"""One run for each channel in a process: a storm on one channel cannot eat the worker's threads.

A nudge that finds a run under way tells it to look again, and is done.
"""

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from notifications.channels import CHANNELS
from notifications.services.delivery import RUN_SECONDS, Inbox, deliver_due
from opsknight.wake import Wake, send_nudge

logger = logging.getLogger(__name__)

# A run that has not ended by then hangs; another one may begin. A run takes RUN_SECONDS, its last
# sends and what the database may keep it waiting for.
HUNG_SECONDS = RUN_SECONDS + 60.0


class ChannelRuns:
    """The runs of this process by channel."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, tuple[Inbox, float]] = {}  # with the time of their start

    def join(self, channel: str, *, may_go_on: Callable[[], bool]) -> int:
        """Send what is due on the channel, or leave that to the run that does so already.

        Returns how many pages went through this call's hands.
        """
        inbox: Inbox = SimpleQueue()
        with self._lock:
            running = self._runs.get(channel)
            if running is not None and time.monotonic() - running[1] < HUNG_SECONDS:
                running[0].put(None)
                return 0
            if running is not None:
                logger.error("A run of %s has not ended for %.0f s.", channel, HUNG_SECONDS)
            self._runs[channel] = (inbox, time.monotonic())
        try:
            return self._run(channel, inbox, may_go_on)
        finally:
            self._forget(channel, inbox)

    def _run(self, channel: str, inbox: Inbox, may_go_on: Callable[[], bool]) -> int:
        """Run until nothing is due and nobody has called meanwhile."""
        count = 0
        while True:
            started = time.monotonic()
            count += deliver_due(
                channel=channel,
                may_go_on=may_go_on,
                inbox=inbox,
                hand_over=lambda: self._hand_over(channel, inbox),
            )
            ran_out_of_time = time.monotonic() - started >= RUN_SECONDS
            with self._lock:
                if (other := self._runs.get(channel)) is not None and other[0] is not inbox:
                    return count  # another run has taken over
                # Under the lock: whoever calls from now on begins a run of one's own.
                if not may_go_on() or (inbox.empty() and not ran_out_of_time):
                    self._forget_locked(channel, inbox)
                    return count
                while not inbox.empty():
                    inbox.get_nowait()
                self._runs[channel] = (inbox, time.monotonic())

    def _hand_over(self, channel: str, inbox: Inbox) -> None:
        """Let the next nudge begin a run: this one only waits for calls that take long."""
        self._forget(channel, inbox)
        send_nudge(Wake.DELIVER, queue=CHANNELS[channel].queue, channel=channel)

    def _forget(self, channel: str, inbox: Inbox) -> None:
        with self._lock:
            self._forget_locked(channel, inbox)

    def _forget_locked(self, channel: str, inbox: Inbox) -> None:
        running = self._runs.get(channel)
        if running is not None and running[0] is inbox:
            del self._runs[channel]


RUNS = ChannelRuns()
