"""From alert to page: posted at the door, received by an SMTP server on this machine."""

import json
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

from aiosmtpd.controller import Controller

from bench.figures import Figure, percentile
from bench.stack import Stack, free_port, full_stack

PER_SECOND = 2
SECONDS = 30
WARM_UP = 6  # alerts not counted: connections, caches and imports of the first
PATIENCE = 20.0  # seconds to wait for the last page
MAKE_KEY = """
from escalations.models import EscalationPolicy, PolicyStep, StepTarget
from incidents.models import Integration, Service
from opsknight.models import User
user = User.objects.create_user("bench@example.com", name="Bench", status="active")
policy = EscalationPolicy.objects.create(name="Bench", repeat_times=0)
step = PolicyStep.objects.create(policy=policy)
StepTarget.objects.create(step=step, user=user)
service = Service.objects.create(name="Bench", escalation_policy=policy, storm_threshold=0)
print(Integration.objects.create(service=service, name="Bench", kind="events").key)
"""


class Mailbox:
    """Remembers when a message with each mark arrived."""

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}
        self._changed = threading.Condition()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Called with each message."""
        now = time.perf_counter()
        text = envelope.content.decode("utf-8", "replace")
        mark = text.split("mark-", 1)[-1][:32]
        with self._changed:
            self.arrived.setdefault(mark, now)
            self._changed.notify_all()
        return "250 OK"

    def wait_for(self, marks: set[str], seconds: float) -> None:
        """Wait until all arrived; raises TimeoutError that says how many are missing."""
        with self._changed:
            if not self._changed.wait_for(lambda: marks <= self.arrived.keys(), seconds):
                raise TimeoutError(f"{len(marks - self.arrived.keys())} pages did not arrive.")


def run() -> Iterator[Figure]:
    """Two alerts a second on an otherwise idle stack."""
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        url = f"smtp://127.0.0.1:{controller.port}"
        # One person hears of every alert by a mail of its own.
        settings = {"OPSKNIGHT_BUNDLE_SECONDS": "0", "OPSKNIGHT_SEND_LIMITS": "email=0"}
        with full_stack({"EMAIL_URL": url, **settings}) as stack:
            yield from measure(stack, stack.manage("shell", "-v0", "-c", MAKE_KEY), mailbox)
    finally:
        controller.stop()


def measure(stack: Stack, key: str, mailbox: Mailbox) -> Iterator[Figure]:
    """Post at a steady pace; each alert opens an incident of its own."""
    posted: dict[str, float] = {}
    started = time.perf_counter()
    for number in range(WARM_UP + PER_SECOND * SECONDS):
        time.sleep(max(0.0, started + number / PER_SECOND - time.perf_counter()))
        mark = uuid.uuid4().hex
        posted[mark] = time.perf_counter()
        post(stack.port, key, mark)
    mailbox.wait_for(set(posted), PATIENCE)
    counted = list(posted)[WARM_UP:]
    latencies = [(mailbox.arrived[mark] - posted[mark]) * 1000 for mark in counted]
    yield Figure("page.idle_p50_ms", percentile(latencies, 0.5), "ms")
    yield Figure("page.idle_p95_ms", percentile(latencies, 0.95), "ms")


def post(port: int, key: str, mark: str) -> None:
    """One trigger; raises when it is not taken."""
    payload = {"summary": f"mark-{mark}", "source": "bench", "severity": "critical"}
    body = {"event_action": "trigger", "dedup_key": mark, "payload": payload}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/events",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Token token={key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert answer.status == 202
