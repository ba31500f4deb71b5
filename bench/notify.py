"""Notifications: from the outbox and from the door to providers that answer in 100 ms.

All processes run as `make run` starts them; the providers are one more process on this machine.
Limits are off, since they are what would be measured otherwise.
"""

import json
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.figures import Figure, percentile
from bench.page import post
from bench.stack import ROOT, Stack, await_answer, free_port, full_stack

CHANNELS = ("email", "sms", "slack", "telegram", "webhook")
DELAY = 0.1  # seconds until a provider answers
PEOPLE = 50  # of the alerts; each has a service, and pages over one channel
QUEUED = 5000
IDLE_SECONDS, IDLE_PER_SECOND, WARM_UP = 30, 2, 10
BUSY_SECONDS, BUSY_PER_MINUTE = 60, 500
BURST, FLOOD = 60, 400
PATIENCE = 60.0
LIMITS = ",".join(f"{channel}=0" for channel in CHANNELS)
# A person for each service, each paged over one of the channels; prints the keys of the services.
PREPARE = """
import json
from django.utils import timezone
from escalations.models import EscalationPolicy, PolicyStep, StepTarget
from incidents.models import Integration, Service
from notifications.models import ContactMethod, NotificationRule
from opsknight.models import User

def address_of(channel, n):
    return {"email": f"p{n}@example.com", "sms": f"+4915100{n:06}", "slack": f"U{n:08}",
            "telegram": str(100000 + n), "webhook": f"{HTTP}/webhook/{n}"}[channel]

now, keys = timezone.now(), []
for n in range(PEOPLE):
    user = User.objects.create_user(f"p{n}@example.com", name=f"P{n}", status="active")
    channel = CHANNELS[n % len(CHANNELS)]
    method = ContactMethod.objects.create(
        user=user, channel=channel, address=address_of(channel, n), verified_at=now
    )
    NotificationRule.objects.create(user=user, contact_method=method)
    policy = EscalationPolicy.objects.create(name=f"Policy {n}", repeat_times=0)
    StepTarget.objects.create(step=PolicyStep.objects.create(policy=policy), user=user)
    service = Service.objects.create(name=f"S{n}", escalation_policy=policy, storm_threshold=0)
    keys.append(Integration.objects.create(service=service, name="Bench", kind="events").key)
print(json.dumps(keys))
"""
# Pages of many people over all channels, due in a moment, all at once; prints that moment.
QUEUE = """
import time
from datetime import timedelta
from django.utils import timezone
from incidents.models import Incident, Service
from notifications.models import ContactMethod, Notification
from opsknight.models import User

each = QUEUED // len(CHANNELS)
services = Service.objects.bulk_create(Service(name=f"Q{n}") for n in range(100))
incidents = Incident.objects.bulk_create(
    Incident(service=service, title=f"mark-{n:032x}") for n, service in enumerate(services)
)
people = User.objects.bulk_create(
    User(email=f"q{n}@example.com", name=f"Q{n}", status="active") for n in range(each)
)
addresses = {"sms": "+4915200{:06}", "slack": "U9{:07}", "telegram": "9{:06}",
             "webhook": HTTP + "/webhook/q{}"}
now = timezone.now()
methods = ContactMethod.objects.bulk_create(
    ContactMethod(user=user, channel=channel, address=address.format(n), verified_at=now)
    for channel, address in addresses.items() for n, user in enumerate(people)
)
rows = [
    Notification(user=user, channel="email", address=user.email) for user in people
] + [
    Notification(user=m.user, contact_method=m, channel=m.channel, address=m.address)
    for m in methods
]
for n, row in enumerate(rows):
    row.incident, row.reason, row.cause = incidents[n % 100], "escalation", "step:0:0:0"
    row.due_at = now + timedelta(seconds=SECONDS)
Notification.objects.bulk_create(rows, batch_size=1000)
late = (timezone.now() - now).total_seconds()
assert late < SECONDS, late
print(time.monotonic() + SECONDS - late)
"""
STATES = """
from notifications.models import Notification
rows = Notification.objects.filter(user__name__startswith="Q")
print(rows.filter(state__in=["sent", "delivered"]).count())
"""


@dataclass
class Providers:
    """The process that plays all of them, and what has come there so far."""

    http: int
    smtp: int
    came: dict[str, float] = field(default_factory=dict)  # mark → first time
    calls: list[float] = field(default_factory=list)
    times: Counter[str] = field(default_factory=Counter)  # how often each was taken
    said: Counter[str] = field(default_factory=Counter)  # and how often as a repetition
    _read: int = 0

    def read(self) -> None:
        """Fetch what is new."""
        url = f"http://127.0.0.1:{self.http}/log?{self._read}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        self._read += len(lines)
        for at, _, marks, says_so, is_taken in map(json.loads, lines):
            self.calls.append(at)
            for mark in marks if is_taken else ():
                self.came.setdefault(mark, at)
                self.times[mark] += 1
                self.said[mark] += says_so

    def put_down(self, *places: str) -> None:
        """Out of order are these, and no others."""
        url = f"http://127.0.0.1:{self.http}/down?{','.join(places)}"
        urllib.request.urlopen(url, timeout=10).close()

    @property
    def settings(self) -> dict[str, str]:
        """What makes a stack send there."""
        base = f"http://127.0.0.1:{self.http}"
        return {
            "EMAIL_URL": f"smtp://127.0.0.1:{self.smtp}",
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": "token",
            "TWILIO_FROM": "+15550100",
            "TWILIO_API_URL": f"{base}/sms",
            "SLACK_BOT_TOKEN": "xoxb-bench",
            "SLACK_API_URL": f"{base}/slack",
            "TELEGRAM_BOT_TOKEN": "1:bench",
            "TELEGRAM_API_URL": f"{base}/telegram",
            "WEBHOOK_ALLOW_PRIVATE": "true",
            "OPSKNIGHT_SEND_LIMITS": LIMITS,
        }

    def wait_for(self, marks: set[str], seconds: float = PATIENCE) -> None:
        """Wait until all came; raises TimeoutError that says how many are missing."""
        ends_at = time.monotonic() + seconds
        while not marks <= self.came.keys():
            if time.monotonic() > ends_at:
                raise TimeoutError(f"{len(marks - self.came.keys())} pages did not arrive.")
            time.sleep(0.2)
            self.read()


@contextmanager
def providers() -> Iterator[Providers]:
    """They listen until the block ends."""
    ports = Providers(free_port(), free_port())
    command = [sys.executable, "-m", "bench.stand_ins.quick", str(ports.http), str(ports.smtp)]
    process = subprocess.Popen([*command, str(DELAY)], cwd=ROOT)
    try:
        await_answer(f"http://127.0.0.1:{ports.http}/log")
        yield ports
    finally:
        process.kill()
        process.wait()


@contextmanager
def measured() -> Iterator[tuple[Stack, Providers, list[str]]]:
    """A stack that pages over all channels, and the keys of its services."""
    with providers() as there:
        base = f"http://127.0.0.1:{there.http}"
        with full_stack(there.settings) as stack:
            facts = f"HTTP = {base!r}\nCHANNELS = {CHANNELS!r}\nPEOPLE = {PEOPLE}\n"
            yield stack, there, json.loads(stack.manage("shell", "-v0", "-c", facts + PREPARE))


def run() -> Iterator[Figure]:
    """All figures, on one stack."""
    with measured() as (stack, there, keys):
        yield from idle(stack, there, keys)
        yield from burst(stack, there, keys)
        yield from behind_flood(stack, there, keys)
        yield from busy(stack, there, keys)
        yield from queued(stack, there)


def send(stack: Stack, key: str, sent: dict[str, float]) -> str:
    """One alert; its mark."""
    mark = uuid.uuid4().hex
    sent[mark] = time.monotonic()
    post(stack.port, key, mark)
    return mark


def at_pace(stack: Stack, keys: list[str], *, count: int, per_second: float) -> dict[str, float]:
    """Alerts at a steady pace, to one service after another; when each was sent."""
    sent: dict[str, float] = {}
    started = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, started + number / per_second - time.monotonic()))
        send(stack, keys[number % len(keys)], sent)
    return sent


def latencies(there: Providers, sent: dict[str, float]) -> list[float]:
    """Milliseconds from alert to provider, in the order of the alerts."""
    there.wait_for(set(sent))
    return [(there.came[mark] - at) * 1000 for mark, at in sent.items()]


def idle(stack: Stack, there: Providers, keys: list[str]) -> Iterator[Figure]:
    """Two alerts a second, and nothing else."""
    count = WARM_UP + IDLE_SECONDS * IDLE_PER_SECOND
    sent = at_pace(stack, keys, count=count, per_second=IDLE_PER_SECOND)
    counted = latencies(there, sent)[WARM_UP:]
    yield Figure("notify.idle_p50_ms", percentile(counted, 0.5), "ms")
    yield Figure("notify.idle_p95_ms", percentile(counted, 0.95), "ms")


def burst(stack: Stack, there: Providers, keys: list[str]) -> Iterator[Figure]:
    """60 alerts at once for one service and one person: the last of them."""
    sent = together(stack, keys[0], BURST)
    yield Figure("notify.burst60_max_ms", max(latencies(there, sent)), "ms")
    sent = {}
    for key in keys[1:]:  # further pages of the first one are gathered, on purpose
        send(stack, key, sent)
    yield Figure("notify.burst_of_services_max_ms", max(latencies(there, sent)), "ms")


def together(stack: Stack, key: str, count: int) -> dict[str, float]:
    """Many alerts for one service over eight connections."""
    sent: dict[str, float] = {}
    threads = [
        threading.Thread(target=lambda: [send(stack, key, sent) for _ in range(count // 8 + 1)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent


def behind_flood(stack: Stack, there: Providers, keys: list[str]) -> Iterator[Figure]:
    """A page of another service, on the same channel, behind a flood of 400 alerts."""
    flood = together(stack, keys[0], FLOOD)
    sent: dict[str, float] = {}
    for number in range(1, 6):
        send(stack, keys[number * len(CHANNELS)], sent)
    yield Figure("notify.behind_flood_max_ms", max(latencies(there, sent)), "ms")
    there.wait_for(set(list(flood)[:1]))


def busy(stack: Stack, there: Providers, keys: list[str]) -> Iterator[Figure]:
    """500 incidents a minute over 50 services."""
    per_second = BUSY_PER_MINUTE / 60
    count = int(BUSY_SECONDS * per_second)
    sent = at_pace(stack, keys, count=count, per_second=per_second)
    yield Figure("notify.alert_to_provider_p95_ms", percentile(latencies(there, sent), 0.95), "ms")


def queued(stack: Stack, there: Providers) -> Iterator[Figure]:
    """5,000 pages of 1,000 people over all channels, due at the same moment."""
    there.read()
    before = len(there.calls)
    facts = f"HTTP = 'http://127.0.0.1:{there.http}'\nCHANNELS = {CHANNELS!r}\n"
    facts += f"QUEUED = {QUEUED}\nSECONDS = 15\n"
    due_at = float(stack.manage("shell", "-v0", "-c", facts + QUEUE))
    ends_at = due_at + PATIENCE
    while len(there.calls) - before < QUEUED and time.monotonic() < ends_at:
        time.sleep(0.2)
        there.read()
    calls = there.calls[before:]
    yield Figure("notify.per_s", len(calls) / (max(calls) - due_at), "notifications/s")
    time.sleep(2)  # until the last are recorded
    yield Figure("notify.queued_sent", float(stack.manage("shell", "-v0", "-c", STATES)), "of 5000")
    yield Figure("notify.queued_calls", len(calls), "calls")
