"""Notifications among failures: kill -9, an emptied Redis, providers that are out of order.

Thousands of pages over five channels, each about an incident of its own. At the end every one must
have been taken by its provider; one that was taken twice must say the second time that it may have
been.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
import redis

from bench.chaos import Machine, machine
from bench.figures import Figure
from bench.notify import CHANNELS, Providers, providers

QUEUES = "escalations,default," + ",".join(CHANNELS)
SETTLE_SECONDS = 240.0
# So many people that no two pages of a service go to the same: none are gathered.
SERVICES = 100
PREPARE = """
from datetime import timedelta
from django.utils import timezone
from incidents.models import Incident, Service
from notifications.models import ContactMethod, Notification
from opsknight.models import User

services = Service.objects.bulk_create(Service(name=f"S{n}") for n in range(SERVICES))
people = User.objects.bulk_create(
    User(email=f"p{n}@example.com", name=f"P{n}", status="active")
    for n in range(PAGES // SERVICES + 1)
)
addresses = {"sms": "+4915200{:06}", "slack": "U9{:07}", "telegram": "9{:06}",
             "webhook": HTTP + "/webhook/{}"}
now = timezone.now()
methods = {
    (m.channel, m.user_id): m for m in ContactMethod.objects.bulk_create(
        ContactMethod(user=user, channel=channel, address=address.format(n), verified_at=now)
        for channel, address in addresses.items() for n, user in enumerate(people)
    )
}
incidents = Incident.objects.bulk_create(
    Incident(service=services[n % SERVICES], title=f"mark-{n:032x}") for n in range(PAGES)
)
rows = []
for n, incident in enumerate(incidents):
    user, channel = people[n // SERVICES], CHANNELS[n % len(CHANNELS)]
    method = methods.get((channel, user.pk))
    rows.append(Notification(
        incident=incident, user=user, channel=channel, contact_method=method,
        address=method.address if method else user.email, reason="escalation", cause="chaos",
        due_at=now + timedelta(seconds=SPREAD * n / PAGES),
    ))
Notification.objects.bulk_create(rows, batch_size=1000)
"""


@dataclass(frozen=True)
class Plan:
    """How much, and how long."""

    pages: int
    seconds: float  # of failures
    spread_seconds: float  # over which the pages become due
    pause_seconds: float  # between two failures
    seed: int = 1


@dataclass
class Outcome:
    """What was left at the end."""

    pages: int
    missing: int  # never taken by a provider
    doubled: int  # taken again without saying so
    marked: int  # taken again and saying so
    unfinished: int  # still waiting
    failed: int  # given up
    failures: Counter[str] = field(default_factory=Counter)


def wreak(plan: Plan) -> Outcome:
    """Run the plan; returns what was left when nothing moved any more."""
    with providers() as there:
        settings = there.settings | {"OPSKNIGHT_BREAKER_SECONDS": "3"}
        with machine(there.smtp, QUEUES, **settings) as target:
            target.keep_running()
            target.manage("shell", "-v0", "-c", _filled(plan, there))
            failures = _make_failures(target, there, plan)
            _settle(target)
            return _judge(target, there, plan, failures)


def _filled(plan: Plan, there: Providers) -> str:
    names = {
        "PAGES": plan.pages,
        "SERVICES": SERVICES,
        "SPREAD": plan.spread_seconds,
        "CHANNELS": CHANNELS,
        "HTTP": f"http://127.0.0.1:{there.http}",
    }
    return "\n".join(f"{name} = {value!r}" for name, value in names.items()) + PREPARE


def _make_failures(target: Machine, there: Providers, plan: Plan) -> Counter[str]:
    """Kills, outages and an emptied Redis in turn; what was killed starts again at once."""
    chance = random.Random(plan.seed)
    failures: Counter[str] = Counter()
    ends_at = time.monotonic() + plan.seconds
    while time.monotonic() < ends_at:
        time.sleep(chance.uniform(0.5, 1.5) * plan.pause_seconds)
        match sum(failures.values()) % 4:
            case 0 | 2:
                name = chance.choice([n for n in target.names if n.startswith("worker")])
                target.kill(name)
                failures["worker"] += 1
            case 1:
                there.put_down(*chance.sample(CHANNELS, 2))
                failures["provider"] += 1
            case _:
                _empty_redis(target)
                there.put_down()
                failures["redis"] += 1
        target.keep_running()
    there.put_down()
    return failures


def _empty_redis(target: Machine) -> None:
    with redis.Redis.from_url(target.redis.url) as connection:
        connection.flushall()


def _settle(target: Machine) -> None:
    """Wait until no page waits, or for so long that something is lost."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline and _count(target, "pending", "sending"):
        target.keep_running()
        time.sleep(0.5)


def _count(target: Machine, *states: str) -> int:
    statement = """
        SELECT count(*) FROM notifications_notification WHERE cause = 'chaos' AND state = ANY(%s)
    """
    with psycopg.connect(target.postgres.url) as connection:
        row = connection.execute(statement, [list(states)]).fetchone()
    return int(row[0]) if row else 0


def _judge(target: Machine, there: Providers, plan: Plan, failures: Counter[str]) -> Outcome:
    there.read()
    marks = [f"{number:032x}" for number in range(plan.pages)]
    again = {mark: there.times[mark] - 1 for mark in marks if there.times[mark] > 1}
    said = sum(min(count, there.said[mark]) for mark, count in again.items())
    return Outcome(
        pages=plan.pages,
        missing=sum(not there.times[mark] for mark in marks),
        doubled=sum(again.values()) - said,
        marked=said,
        unfinished=_count(target, "pending", "sending"),
        failed=_count(target, "failed"),
        failures=failures,
    )


def run() -> Iterator[Figure]:
    """3,000 pages, 90 seconds of failures."""
    started = time.monotonic()
    outcome = wreak(Plan(pages=3000, seconds=90, spread_seconds=75, pause_seconds=3))
    for name, count in sorted(outcome.failures.items()):
        yield Figure(f"notify_chaos.{name}_failures", count, "times")
    yield Figure("notify_chaos.pages", outcome.pages, "pages")
    yield Figure("notify_chaos.missing", outcome.missing, "pages")
    yield Figure("notify_chaos.failed", outcome.failed, "pages")
    yield Figure("notify_chaos.doubled_unmarked", outcome.doubled, "pages")
    yield Figure("notify_chaos.doubled_marked", outcome.marked, "pages")
    yield Figure("notify_chaos.seconds", time.monotonic() - started, "s")
