"""Knocks on the door in-process: the real application, committer and database."""

import json
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync

from incidents.intake import committer, door
from incidents.intake.committer import shared_committer
from incidents.intake.keyring import Keyring
from incidents.models import Integration, Service


class Door:
    """Sends one request at a time to the door."""

    def post(
        self, path: str, body: Any = None, *, content: bytes | None = None, **headers: str
    ) -> httpx.Response:
        """POST JSON, or `content` as it is."""
        raw = content if content is not None else json.dumps(body).encode()
        return self.request("POST", path, raw, headers)

    def request(
        self, method: str, path: str, content: bytes, headers: dict[str, str]
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=door.application)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
                return await client.request(method, path, content=content, headers=headers)

        named = {k.replace("_", "-"): v for k, v in headers.items()}
        headers.clear()
        headers.update(named)
        return async_to_sync(send)()

    def event(self, integration: Integration, **body: Any) -> httpx.Response:
        """POST one event to /api/events with the integration's key."""
        return self.post("/api/events", body, authorization=f"Token token={integration.key}")


@pytest.fixture
def knock(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The door; waits at the end until the committer has given its connection back."""
    monkeypatch.setattr(committer, "IDLE_SECONDS", 0.02)
    door.keyring = Keyring()
    yield Door()
    assert shared_committer().is_idle.wait(10)


@pytest.fixture
def integration(transactional_db: None) -> Integration:
    """An integration of the product's own Events API."""
    service = Service.objects.create(name="Checkout")
    return Integration.objects.create(service=service, name="Curl", kind="events")
