"""One whole stack with a real mail server, shared by every flow."""

import json
import logging
import urllib.request
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from config.embedded import database_url
from tests.flows.mailbox import Mailbox
from tests.processes import wait_until
from tests.stack import Stack, start_stack, temporary_home

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
for kind in ("events", "prometheus", "pagerduty", "opsgenie"):
    service = other if kind == "opsgenie" else service
    print(kind, Integration.objects.create(service=service, name=kind, kind=kind).key)
"""


class Flow:
    """The stack, its mailbox, and short ways to ask it things."""

    def __init__(self, stack: Stack, mailbox: Mailbox) -> None:
        self.stack = stack
        self.mailbox = mailbox
        lines = stack.manage("shell", "-v0", "-c", PREPARE).splitlines()
        self.keys = dict(line.split() for line in lines)

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


@pytest.fixture(scope="session")
def flow() -> Iterator[Flow]:
    """A stack that mails to a mailbox of this process."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    mailbox = Mailbox()
    mailbox.controller.start()
    try:
        env = {"EMAIL_URL": f"smtp://127.0.0.1:{mailbox.controller.port}"}
        with temporary_home() as home, start_stack(home, env) as stack:
            yield Flow(stack, mailbox)
    finally:
        mailbox.controller.stop()
