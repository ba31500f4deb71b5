"""Asking the API as somebody, with a key."""

import json
from collections.abc import Sequence
from typing import Any

from django.test import Client

from opsknight.models import ApiKey, User
from opsknight.services.keys import create_api_key

EVERY_SCOPE = tuple(ApiKey.Scope)


class Asker:
    """One API key and what it asks for; paths are relative to /api/v1."""

    def __init__(self, user: User, scopes: Sequence[str] = EVERY_SCOPE) -> None:
        self.user = user
        self.key, self.token = create_api_key(user=user, name="test", scopes=list(scopes))
        self._client = Client()

    def get(self, path: str, **query: Any) -> Any:
        """GET with a query."""
        return self._client.get(f"/api/v1/{path}", query, **self.headers)  # type: ignore[arg-type]

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Any method, with a JSON body where one is given."""
        content = b"" if body is None else json.dumps(body).encode()
        return self._client.generic(
            method, f"/api/v1/{path}", content, content_type="application/json", **self.headers
        )

    def post(self, path: str, body: Any = None) -> Any:
        return self.send("POST", path, body)

    def patch(self, path: str, body: Any) -> Any:
        return self.send("PATCH", path, body)

    def put(self, path: str, body: Any) -> Any:
        return self.send("PUT", path, body)

    def delete(self, path: str) -> Any:
        return self.send("DELETE", path)

    @property
    def headers(self) -> dict[str, Any]:
        return {"headers": {"Authorization": f"Bearer {self.token}"}}


def fields_of(response: Any, status: int = 400) -> dict[str, list[str]]:
    """The named fields of a refusal, whose shape is checked."""
    assert response.status_code == status, response.content
    error = response.json()["error"]
    assert set(error) == {"code", "message", "fields"}
    assert error["message"]
    fields: dict[str, list[str]] = error["fields"]
    return fields


def code_of(response: Any) -> str:
    """The code of a refusal."""
    code: str = response.json()["error"]["code"]
    return code
