"""The engine among failures: kill -9, two of everything, a database that is restarted.

Incidents escalate through three steps while workers and beats are killed at random and PostgreSQL
is stopped and started. At the end every step of every incident must have paged its person, by a
mail that a real server took; a mail that came twice must say that it may have.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import psycopg
from aiosmtpd.controller import Controller

from bench.figures import Figure
from bench.prepared import lay_out_database
from bench.stack import ROOT, STORES, free_port
from config.embedded import EmbeddedPostgres, EmbeddedRedis
from config.processes import die_with_parent

CELERY = [sys.executable, "-m", "celery", "-A", "config", "--quiet", "--skip-checks"]
QUEUES = "escalations,email,webhook,default"
CONCURRENCY = 8  # threads of a worker
STEPS = 3
PEOPLE = 20
SAYS_SO = "may have received this page before"
DATABASE_EVERY = 3  # failures
SETTLE_SECONDS = 240.0  # longer than a lease: a page whose worker was killed is sent again
# Due now and over the next seconds; each step has a person of its own.
PREPARE = """
from datetime import timedelta
from django.utils import timezone
from escalations.models import EscalationPolicy, PolicyStep, StepTarget
from incidents.models import Incident, Service
from opsknight.models import User

people = [User.objects.create_user(f"p{n}@example.com", name=f"P{n}", status="active")
          for n in range(PEOPLE)]
services = []
for n in range(PEOPLE):
    policy = EscalationPolicy.objects.create(name=f"Policy {n}", repeat_times=0)
    for place in range(STEPS):
        step = PolicyStep.objects.create(
            policy=policy, position=place + 1, delay_minutes=MINUTES if place else 0
        )
        StepTarget.objects.create(step=step, user=people[(n + place) % PEOPLE])
    services.append(Service.objects.create(name=f"Service {n}", escalation_policy=policy))
now = timezone.now()
Incident.objects.bulk_create(
    Incident(
        service=services[n % PEOPLE], title=f"Incident {n}",
        escalate_at=now + timedelta(seconds=SPREAD * n / INCIDENTS),
    )
    for n in range(INCIDENTS)
)
"""


@dataclass(frozen=True)
class Plan:
    """How much, and how long."""

    incidents: int
    seconds: float  # of failures
    spread_seconds: float  # over which the incidents begin
    step_minutes: int  # between two steps
    pause_seconds: float  # between two failures
    seed: int = 1


@dataclass
class Outcome:
    """What was left at the end."""

    incidents: int
    pages: int  # mails that had to come
    missing: int  # of these, never taken by the mail server
    doubled: int  # mails that came again and did not say so
    marked: int  # mails that came again and said so
    steps_taken_twice: int
    failures: Counter[str] = field(default_factory=Counter)


class MailSink:
    """A mail server that counts how often each message came, and whether it said so."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()  # by Message-ID
        self.marked: Counter[str] = Counter()
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Called by aiosmtpd with each message."""
        message = message_from_bytes(envelope.content, policy=policy.default)
        key = str(message["Message-ID"])
        self.came[key] += 1
        body = message.get_body(("plain",))
        self.marked[key] += SAYS_SO in (body.get_content() if body else "")
        return "250 OK"


class Machine:
    """The stores, two workers and two beats; started again as a supervisor would."""

    def __init__(self, home: Path, smtp_port: int, queues: str = QUEUES, **settings: str) -> None:
        self.postgres, self.redis = EmbeddedPostgres(home), EmbeddedRedis(home)
        self.home = home
        self.queues = queues
        stores = {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.redis.url}
        kept = {name: value for name, value in os.environ.items() if name not in STORES}
        self.env = (
            kept
            | stores
            | {
                "OPSKNIGHT_HOME": str(home),
                "EMAIL_URL": f"smtp://127.0.0.1:{smtp_port}",
                "DATABASE_POOL_SIZE": str(CONCURRENCY + 4),
                "PYTHONWARNINGS": "ignore",
                # Every page is a mail of its own, so that each can be counted.
                "OPSKNIGHT_BUNDLE_SECONDS": "0",
                "OPSKNIGHT_SEND_LIMITS": "email=0",
            }
            | settings
        )
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def manage(self, *arguments: str) -> None:
        """Run a management command."""
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=ROOT, env=self.env, check=True, capture_output=True)

    def keep_running(self) -> None:
        """Start whatever does not run."""
        for number in (1, 2):
            self._keep(
                f"worker {number}", "worker", "-Q", self.queues, "-n", f"w{number}@%h",
                "--pool=threads", f"--concurrency={CONCURRENCY}", "--loglevel=ERROR",
                "--without-gossip", "--without-mingle", "--without-heartbeat",
            )  # fmt: skip
            self._keep(f"beat {number}", "beat", "--loglevel=ERROR")

    def _keep(self, name: str, *arguments: str) -> None:
        running = self._processes.get(name)
        if running is not None and running.poll() is None:
            return
        with (self.home / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*CELERY, *arguments], cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=die_with_parent(signal.SIGKILL),
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """kill -9, in the middle of whatever it does."""
        self._processes[name].kill()
        self._processes[name].wait()

    @property
    def names(self) -> list[str]:
        """What can be killed."""
        return sorted(self._processes)

    def restart_database(self) -> None:
        """PostgreSQL ends every connection, goes and comes back."""
        self.postgres.stop()
        self.postgres.start()

    def stop(self) -> None:
        """End everything."""
        for name in self._processes:
            self.kill(name)
        self.redis.stop()
        self.postgres.stop()


@contextmanager
def machine(smtp_port: int, queues: str = QUEUES, **settings: str) -> Iterator[Machine]:
    """A machine in a temporary folder, with its database prepared."""
    home = Path(tempfile.mkdtemp(prefix="opsknight-chaos-"))
    home.chmod(0o711)
    running = Machine(home, smtp_port, queues, **settings)
    try:
        lay_out_database(home)
        running.postgres.start()
        running.redis.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


def wreak(plan: Plan) -> Outcome:
    """Run the plan; returns what was left when nothing moved any more."""
    sink = MailSink()
    sink.controller.start()
    try:
        with machine(sink.controller.port) as target:
            target.keep_running()  # they come up while the incidents are written
            target.manage("shell", "-v0", "-c", _filled(plan))
            failures = _make_failures(target, plan)
            _settle(target, plan)
            return _judge(target, sink, plan, failures)
    finally:
        sink.controller.stop()


def _filled(plan: Plan) -> str:
    names = {
        "PEOPLE": PEOPLE,
        "STEPS": STEPS,
        "MINUTES": plan.step_minutes,
        "INCIDENTS": plan.incidents,
        "SPREAD": plan.spread_seconds,
    }
    return "\n".join(f"{name} = {value!r}" for name, value in names.items()) + PREPARE


def _make_failures(target: Machine, plan: Plan) -> Counter[str]:
    """One failure after another until the time is over; what was killed starts again at once."""
    chance = random.Random(plan.seed)
    failures: Counter[str] = Counter()
    ends_at = time.monotonic() + plan.seconds
    while time.monotonic() < ends_at:
        time.sleep(chance.uniform(0.5, 1.5) * plan.pause_seconds)
        is_database = sum(failures.values()) % DATABASE_EVERY == 1
        name = "database" if is_database else chance.choice(target.names)
        if is_database:
            target.restart_database()
        else:
            target.kill(name)
        failures[name.split()[0]] += 1
        target.keep_running()
    return failures


def _settle(target: Machine, plan: Plan) -> None:
    """Wait until no timer is set and no page waits, or for so long that something is lost."""
    waits = plan.spread_seconds + STEPS * plan.step_minutes * 60
    deadline = time.monotonic() + SETTLE_SECONDS + waits
    while time.monotonic() < deadline:
        target.keep_running()
        (waiting,) = _rows(target, _WAITING)[0]
        if not waiting:
            return
        time.sleep(0.5)


def _judge(target: Machine, sink: MailSink, plan: Plan, failures: Counter[str]) -> Outcome:
    keys = {key.replace("-", "") for (key,) in _rows(target, _MAILS)}
    came = {_key_of(name): count for name, count in sink.came.items()}
    marked = {_key_of(name): count for name, count in sink.marked.items()}
    again = {key: count - 1 for key, count in came.items() if count > 1}
    said = sum(min(count, marked.get(key, 0)) for key, count in again.items())
    pages = plan.incidents * STEPS
    ((twice,),) = _rows(target, _TWICE)
    return Outcome(
        incidents=plan.incidents,
        pages=pages,
        missing=pages - len(keys & came.keys()),
        doubled=sum(again.values()) - said,
        marked=said,
        steps_taken_twice=twice,
        failures=failures,
    )


def _key_of(message_id: str) -> str:
    return message_id.strip("<>").split("@")[0]


def _rows(target: Machine, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(target.postgres.url) as connection:
        return connection.execute(statement).fetchall()


_WAITING = """
SELECT (SELECT count(*) FROM incidents_incident WHERE escalate_at IS NOT NULL)
  + (SELECT count(*) FROM notifications_notification WHERE state IN ('pending', 'sending'))
"""
# Of a first generation only: a second one would be an escalation that began again.
_MAILS = """
SELECT idempotency_key::text FROM notifications_notification
WHERE channel = 'email' AND cause LIKE 'step:0:0:%%'
""".replace("%%", "%")
# Each page is unique by its cause, so a step that was taken twice shows on the timeline, or as a
# cause of another generation.
_TWICE = """
SELECT (SELECT count(*) FROM (
    SELECT 1 FROM incidents_timelineentry WHERE kind = 'escalated'
    GROUP BY incident_id, data->>'step' HAVING count(*) > 1
  ) AS doubled)
  + (SELECT count(*) FROM escalations_escalationrun WHERE generation > 0)
"""


def run() -> Iterator[Figure]:
    """2,000 incidents, 3 minutes of failures."""
    started = time.monotonic()
    outcome = wreak(
        Plan(incidents=2000, seconds=180, spread_seconds=60, step_minutes=1, pause_seconds=4)
    )
    for name, count in sorted(outcome.failures.items()):
        yield Figure(f"engine_chaos.{name}_failures", count, "times")
    yield Figure("engine_chaos.pages", outcome.pages, "mails")
    yield Figure("engine_chaos.missing", outcome.missing, "mails")
    yield Figure("engine_chaos.doubled_unmarked", outcome.doubled, "mails")
    yield Figure("engine_chaos.doubled_marked", outcome.marked, "mails")
    yield Figure("engine_chaos.steps_taken_twice", outcome.steps_taken_twice, "steps")
    yield Figure("engine_chaos.seconds", time.monotonic() - started, "s")
