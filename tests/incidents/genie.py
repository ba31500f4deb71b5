"""Asks the door as Opsgenie's clients do."""

import uuid
from typing import Any

import httpx
import pytest

from incidents.models import Integration, Service
from tests.factories import ServiceFactory
from tests.incidents.doors import Door, knock

DISK: dict[str, Any] = {
    "message": "Disk of db-1 is full",
    "alias": "disk/db-1",
    "description": "97 % of /var is used.",
    "responders": [{"name": "Storage", "type": "team"}],
    "tags": ["disk", "production"],
    "details": {"mount": "/var"},
    "entity": "db-1",
    "source": "capacity-check",
    "priority": "P2",
}
DISK_ALIAS = "disk%2Fdb-1"
ROOTS = ["/v2/alerts", "/api/integrations/opsgenie/v2/alerts"]


class Client:
    """Asks as Opsgenie's clients do."""

    def __init__(self, door: Door, integration: Integration) -> None:
        self.door = door
        self.integration = integration

    def ask(
        self, method: str, path: str = "", body: Any = None, *, root: str = "/v2/alerts"
    ) -> httpx.Response:
        content = b"" if body is None else httpx.Request("POST", "/", json=body).read()
        headers = {"authorization": f"GenieKey {self.integration.key}"}
        return self.door.request(method, root + path, content, headers)

    def data(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        assert answer.json()["took"] > 0
        assert uuid.UUID(answer.json()["requestId"])
        return answer.json()["data"]

    def outcome_of(self, answer: httpx.Response) -> Any:
        """What `requests/<id>` says of an accepted request."""
        assert answer.status_code == 202, answer.text
        body = answer.json()
        assert body["result"] == "Request will be processed"
        assert body["took"] > 0
        return self.data(f"/requests/{body['requestId']}")


def make_client(door: Door, service: Service | None = None) -> Client:
    service = service or ServiceFactory()
    integration = Integration.objects.create(service=service, name="Nagger", kind="opsgenie")
    return Client(door, integration)


@pytest.fixture
def genie(knock: Door) -> Client:
    """A client with the key of an Opsgenie integration."""
    return make_client(knock)


def refused(answer: httpx.Response, status: int) -> str:
    """The message of a refusal in Opsgenie's shape."""
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert set(body) - {"errors"} == {"message", "took", "requestId"}
    return str(body["message"])


__all__ = ["DISK", "DISK_ALIAS", "ROOTS", "Client", "genie", "knock", "make_client", "refused"]
