"""What clients of other products are told while the database is away, and what is kept of it."""

import http.client
import json
from typing import Any

import psycopg

from bench.stack import DoorStack
from tests.flows.conftest import is_drained
from tests.processes import wait_until

MAKE_KEYS = """
from incidents.models import Integration, Service
service = Service.objects.create(name="Clients")
for kind in ("opsgenie", "pagerduty"):
    print(Integration.objects.create(service=service, name=kind, kind=kind).key)
"""


class Client:
    """Sends to one door with the keys of both kinds."""

    def __init__(self, stack: DoorStack) -> None:
        self.stack = stack
        self.genie, self.routing = stack.manage("shell", "-v0", "-c", MAKE_KEYS).split()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """The status and the body of the Alert API's answer."""
        return self._send(method, path, body, {"Authorization": f"GenieKey {self.genie}"})

    def _send(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.stack.port, timeout=30)
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def change(self, summary: str) -> int:
        """The status of a change event."""
        body = {"routing_key": self.routing, "payload": {"summary": summary}}
        return self._send("POST", "/v2/change/enqueue", body, {})[0]

    def remembered_at(self) -> int:
        """When a web process last noted a key for the others; 0: none has."""
        path = self.stack.home / "spool" / "keys"
        return path.stat().st_mtime_ns if path.exists() else 0

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database itself."""
        with psycopg.connect(self.stack.postgres.url) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


def test_alerts_and_changes_sent_during_an_outage_are_there_after_it(door: DoorStack):
    client = Client(door)
    # The keys are known, and one alert is open, before the outage.
    before = client.remembered_at()
    assert client.ask("POST", "/v2/alerts", {"message": "Disk", "alias": "genie-a"})[0] == 202
    wait_until(lambda: client.remembered_at() > before, 20, "its key is remembered on disk")
    first = client.remembered_at()
    assert client.change("Before") == 202
    wait_until(lambda: client.remembered_at() > first, 20, "the other key is remembered")
    door.postgres.stop()
    try:
        created = client.ask("POST", "/v2/alerts", {"message": "Fan", "alias": "genie-b"})
        closed = client.ask("POST", "/v2/alerts/genie-a/close?identifierType=alias", {})
        changed = client.change("During")
        asked = client.ask("GET", f"/v2/alerts/requests/{created[1]['requestId']}")
        by_number = client.ask("POST", "/v2/alerts/1/close", {})
    finally:
        door.postgres.start()
    wait_until(lambda: is_drained(door.home), 60, "the spool is empty")

    assert (created[0], closed[0], changed) == (202, 202, 202)
    assert (asked[0], by_number[0]) == (503, 503)  # it says so, and promises nothing
    assert set(asked[1]) == {"message", "took", "requestId"}
    incidents = """
        SELECT dedup_key, status FROM incidents_incident
        WHERE starts_with(dedup_key, 'genie-') ORDER BY id
    """
    assert client.rows(incidents) == [("genie-a", "resolved"), ("genie-b", "triggered")]
    changes = "SELECT summary FROM incidents_change ORDER BY id"
    assert client.rows(changes) == [("Before",), ("During",)]
    status, told = client.ask("GET", f"/v2/alerts/requests/{created[1]['requestId']}")
    assert (status, told["data"]["isSuccess"], told["data"]["alias"]) == (200, True, "genie-b")
