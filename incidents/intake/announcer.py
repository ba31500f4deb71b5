"""Tells Redis what committed batches changed."""

import logging
import threading
import time

from incidents.services.intake import Batch
from opsknight.wake import DEFAULT_QUEUES, Wake, send_nudge
from realtime.publish import publish_now

logger = logging.getLogger(__name__)

# Between two messages: a crowd of changes shares fewer of them.
PAUSE_SECONDS = 0.02
CROWD = 20
CROWD_PAUSE_SECONDS = 0.1


class Announcer:
    """Tells Redis what a batch changed, beside the commits: a slow Redis delays no answer.

    The first change of a quiet door is told at once; under load many batches share one message.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._changed: set[int] = set()
        self._wakes: set[Wake] = set()
        threading.Thread(target=self._run, name="announcer", daemon=True).start()

    def announce(self, batch: Batch) -> None:
        """Remember and return; what comes close together goes out as one."""
        with self._lock:
            self._changed.update(batch.changed_ids)
            if batch.has_triggered:
                self._wakes.add(Wake.ESCALATE)
            if batch.has_settled:
                self._wakes.add(Wake.CANCEL_SETTLED)
        self._ready.set()

    def _run(self) -> None:
        while True:
            self._ready.wait()
            self._ready.clear()
            with self._lock:
                changed, self._changed = self._changed, set()
                wakes, self._wakes = self._wakes, set()
            try:
                for task in wakes:
                    send_nudge(task, queue=DEFAULT_QUEUES[task])
                if changed:
                    publish_now("incident", sorted(changed))
            except Exception:  # the thread must live; sweeps and polling cover what was lost
                logger.exception("Announcing a batch failed.")
            time.sleep(CROWD_PAUSE_SECONDS if len(changed) >= CROWD else PAUSE_SECONDS)
