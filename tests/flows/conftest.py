"""One whole stack with a real mail server, and one door alone, shared by every flow."""

import json
import logging
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench.stack import DoorStack, door_stack
from bench.stand_ins.twilio import Twilio
from config.embedded import database_url
from tests.flows.mailbox import Mailbox
from tests.processes import wait_until
from tests.stack import SHARED_STATIC, Stack, free_port, start_stack, temporary_home

PREPARE = """
from escalations.models import EscalationPolicy, PolicyStep, StepTarget
from incidents.models import Integration, Service
from opsknight.models import User
people = [
    User.objects.create_user(f"{name}@example.com", name=name.title(), status="active")
    for name in ("bob", "carol")
]
policy = EscalationPolicy.objects.create(name="Both, once", repeat_times=0)
step = PolicyStep.objects.create(policy=policy)
for person in people:
    StepTarget.objects.create(step=step, user=person)
service = Service.objects.create(name="Checkout", escalation_policy=policy, storm_threshold=0)
# Alertmanager gives Opsgenie the key that it gives PagerDuty: on one service they are one incident.
other = Service.objects.create(name="Billing", escalation_policy=policy)
answer = {}
for kind in ("events", "prometheus", "pagerduty", "opsgenie"):
    service = other if kind == "opsgenie" else service
    answer[kind] = Integration.objects.create(service=service, name=kind, kind=kind).key
"""


class Flow:
    """The stack, its mailbox, and short ways to ask it things."""

    def __init__(self, stack: Stack, mailbox: Mailbox, mail_port: int, twilio: Twilio) -> None:
        self.stack = stack
        self.mailbox = mailbox
        self.twilio = twilio
        self.mail_port = mail_port  # where alerts by mail come in
        self.keys: dict[str, str] = stack.run(PREPARE)

    def send(self, action: str, key: str, summary: str = "") -> dict[str, Any]:
        """One event through the door; raises unless it is stored."""
        payload = {"summary": summary or key, "source": "test", "severity": "critical"}
        body = {"event_action": action, "dedup_key": key, "payload": payload}
        request = urllib.request.Request(
            f"{self.stack.base_url}/api/events",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Token token={self.keys['events']}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 202
            result: dict[str, Any] = json.load(answer)["result"]
            return result

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask the stack's database; an UPDATE may have RETURNING."""
        with psycopg.connect(database_url(self.stack.home), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def states_of(self, incident_id: int) -> dict[str, int]:
        """How many notifications of the incident are in each state."""
        rows = self.sql(
            "SELECT state, count(*) FROM notifications_notification WHERE incident_id = %s"
            " GROUP BY state",
            incident_id,
        )
        return dict(rows)

    def wait_for_status(self, dedup_key: str, status: str, seconds: float = 30) -> int:
        """Wait until exactly one incident with the key has the status; its id."""
        query = "SELECT id, status FROM incidents_incident WHERE dedup_key = %s"
        wait_until(
            lambda: [row[1] for row in self.sql(query, dedup_key)] == [status],
            seconds,
            f"one incident {dedup_key} is {status}",
        )
        number: int = self.sql(query, dedup_key)[0][0]
        return number


def is_drained(home: Path) -> bool:
    """Whether nothing waits on the disk of a stack."""
    names = os.listdir(home / "spool")
    return not any(name == "current" or name.endswith(".segment") for name in names)


@pytest.fixture(scope="package")
def flow() -> Iterator[Flow]:
    """A stack that mails to a mailbox of this process, and takes mail; Twilio's stand-in calls."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    mailbox, mail_port, twilio = Mailbox(), free_port(), Twilio()
    mailbox.controller.start()
    try:
        with twilio.running(), temporary_home() as home:
            env = {
                "EMAIL_URL": f"smtp://127.0.0.1:{mailbox.controller.port}",
                "OPSKNIGHT_MAIL_PORT": str(mail_port),
                "TWILIO_ACCOUNT_SID": twilio.account_sid,
                "TWILIO_AUTH_TOKEN": twilio.auth_token,
                "TWILIO_FROM": "+15550100",
                "TWILIO_API_URL": twilio.url,
            }
            with start_stack(home, env) as stack:
                yield Flow(stack, mailbox, mail_port, twilio)
    finally:
        mailbox.controller.stop()


@pytest.fixture(scope="package")
def door() -> Iterator[DoorStack]:
    """The door alone, on a durable PostgreSQL that tests may stop."""
    with door_stack(OPSKNIGHT_STATIC=str(SHARED_STATIC)) as running:
        yield running
