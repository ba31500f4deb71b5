"""Bad input: one shape, the right status, the field named, never a 500."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIHandler
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection
from django.http import Http404, UnreadablePostError
from django.test import Client

from incidents.models import Incident, Service
from opsknight.api.errors import exception_handler
from opsknight.encryption import CannotDecrypt
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import IncidentFactory

HUGE = "9" * 40


def raw(asker: Asker, content: bytes, content_type: str = "application/json") -> Any:
    """POST bytes to services as they are."""
    return Client(raise_request_exception=False).post(
        "/api/v1/services", content, content_type=content_type, **asker.headers
    )


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b"\xff\xfe\x00",
        b'{"name": "caf\xe9"}',
        b"[" * 100_000,
        b'{"name": NaN}',
        b'{"team": ' + b"9" * 10_000 + b"}",
        b"null",
        b"[]",
        b'"name"',
        b'{"name": "a", \'b\'}',
    ],
    ids=lambda content: repr(content[:20]),
)
def test_body_that_is_no_json_object_is_refused(bob: Asker, content: bytes) -> None:
    response = raw(bob, content)

    assert fields_of(response) is not None
    assert not Service.objects.exists()


def test_other_media_types_are_415(bob: Asker) -> None:
    response = raw(bob, b"name=API", "application/x-www-form-urlencoded")

    assert (response.status_code, code_of(response)) == (415, "unsupported_media_type")


def test_other_answers_than_json_are_406(client: Client, bob: Asker) -> None:
    headers = {"Accept": "text/csv", **bob.headers["headers"]}

    response = client.get("/api/v1/services", headers=headers)

    assert (response.status_code, code_of(response)) == (406, "not_acceptable")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_wrong_method_is_405_with_the_allowed_ones(bob: Asker, method: str) -> None:
    response = bob.send(method, "services")

    assert (response.status_code, code_of(response)) == (405, "method_not_allowed")
    assert set(response["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v2/services",
        "/api/v1/services/abc",
        "/api/v1/services/1/2/3",
        f"/api/v1/services/{HUGE}",
        "/api/v1/services/-1",
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_unknown_address_is_404_in_json(bob: Asker, path: str, method: str) -> None:
    response = getattr(Client(enforce_csrf_checks=True), method)(path, **bob.headers)

    assert (response.status_code, code_of(response)) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["services", "integrations", "incidents", "escalation-policies", "schedules", "teams"]
)
@pytest.mark.parametrize("pk", ["0", "99999999999999999", "9223372036854775808"])
def test_id_that_nothing_has_is_404(bob: Asker, path: str, pk: str) -> None:
    response = bob.get(f"{path}/{pk}")

    assert (response.status_code, code_of(response)) == (404, "not_found")


def test_body_over_the_limit_is_413_and_names_it(bob: Asker) -> None:
    response = raw(bob, json.dumps({"name": "x" * 10 * 1024 * 1024}).encode())

    assert (response.status_code, code_of(response)) == (413, "too_large")
    assert "1024 KiB" in response.json()["error"]["message"]


def test_form_over_the_limit_is_413_for_a_session_too(bob: Asker) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob.user)
    content = "a=" + "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)

    response = client.post(
        "/api/v1/services", content, content_type="application/x-www-form-urlencoded"
    )

    assert response.status_code in (403, 413)
    assert code_of(response) in ("csrf_failed", "too_large")


def chunked(asker: Asker, content: bytes) -> httpx.Response:
    """POST without a Content-Length, as a chunked body arrives."""

    async def pieces() -> AsyncIterator[bytes]:
        yield content[:5]
        yield content[5:]

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=ASGIHandler())  # type: ignore[arg-type]
        headers = {"Content-Type": "application/json", **asker.headers["headers"]}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/api/v1/services", content=pieces(), headers=headers)

    return async_to_sync(send)()


@pytest.mark.django_db(transaction=True)
def test_chunked_body_is_read(bob: Asker) -> None:
    response = chunked(bob, b'{"name": "API"}')

    assert response.status_code == 201


@pytest.mark.django_db(transaction=True)
def test_chunked_body_over_the_limit_is_413(bob: Asker) -> None:
    response = chunked(bob, b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))

    assert (response.status_code, code_of(response)) == (413, "too_large")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": None}, "name"),
        ({"name": 12}, "name"),
        ({"name": True}, "name"),
        ({"name": ["API"]}, "name"),
        ({"name": {"a": 1}}, "name"),
        ({"name": "NUL \x00"}, "name"),
        ({"name": "\ud800 alone"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "API", "description": 5}, "description"),
        ({"name": "API", "team": "payments"}, "team"),
        ({"name": "API", "team": True}, "team"),
        ({"name": "API", "team": 1.5}, "team"),
        ({"name": "API", "team": {"id": 1}}, "team"),
        ({"name": "API", "team": 999}, "team"),
        ({"name": "API", "team": int(HUGE)}, "team"),
        ({"name": "API", "escalation_policy": -1}, "escalation_policy"),
    ],
)
def test_wrong_value_names_its_field(bob: Asker, body: dict[str, Any], field: str) -> None:
    response = bob.post("services", body)

    assert set(fields_of(response)) == {field}
    assert not Service.objects.exists()


def test_half_a_surrogate_pair_is_refused_with_its_field(bob: Asker, service: Service) -> None:
    body = {"service": service.pk, "name": "x", "kind": "\ud800"}

    response = bob.post("integrations", body)

    assert response.status_code == 400
    assert list(fields_of(response)) == ["kind"]


def test_every_wrong_field_is_named_at_once(bob: Asker) -> None:
    response = bob.post("services", {"name": 1, "description": 2, "team": "x"})

    assert set(fields_of(response)) == {"name", "description", "team"}


def test_ten_thousand_unknown_fields_are_ignored(bob: Asker) -> None:
    labels = {f"label_{number}": "x" for number in range(10_000)}

    response = bob.post("services", {"name": "API", **labels})

    assert response.status_code == 201


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "abc"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "1.5"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"cursor": "garbage"}, "cursor"),
        ({"cursor": "cD1nYXJiYWdl"}, "cursor"),  # p=garbage
        ({"cursor": "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5"}, "cursor"),  # p=9999…
        ({"cursor": "é"}, "cursor"),
        ({"status": "broken"}, "status"),
        ({"status": "triggered,broken"}, "status"),
        ({"status": "\x00"}, "status"),
        ({"urgency": "extreme"}, "urgency"),
        ({"service": "checkout"}, "service"),
        ({"service": HUGE}, "service"),
        ({"team": "1.5"}, "team"),
        ({"assignee": "bob"}, "assignee"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-13-45T00:00:00Z"}, "since"),
        ({"until": "\x00"}, "until"),
        ({"q": "\x00"}, "q"),
        ({"q": "x" * 201}, "q"),
    ],
)
def test_wrong_query_names_its_parameter(bob: Asker, query: dict[str, str], field: str) -> None:
    response = bob.get("incidents", **query)

    assert set(fields_of(response)) == {field}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": HUGE},
        {"since": "9999-12-31T23:59:59Z"},
        {"until": "9999-12-31T23:59:59-12:00"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"assignee": "999999999999999999"},
        {"service": "999999999999999999"},
        {"q": "999999999999999999"},
        {"q": "%_\\"},
        {"unknown": "x"},
        {"status": ""},
    ],
)
def test_strange_query_is_answered(bob: Asker, query: dict[str, str]) -> None:
    response = bob.get("incidents", **query)

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": "x" * 501}, "title"),
        ({"title": "T", "description": "x" * 10_001}, "description"),
        ({"title": "T", "urgency": "extreme"}, "urgency"),
        ({"title": "T", "priority": "P9"}, "priority"),
        ({"title": "T", "visibility": ["public"]}, "visibility"),
        ({"title": "T", "dedup_key": "x" * 513}, "dedup_key"),
        ({"title": "T", "assignee": 0}, "assignee"),
        ({"title": "T", "service": None}, "service"),
    ],
)
def test_wrong_incident_names_its_field(
    bob: Asker, service: Service, body: dict[str, Any], field: str
) -> None:
    response = bob.post("incidents", {"service": service.pk, **body})

    assert set(fields_of(response)) == {field}
    assert not Incident.objects.exists()


def test_note_without_text_names_the_field(bob: Asker, service: Service) -> None:
    incident = IncidentFactory(service=service)

    response = bob.post(f"incidents/{incident.pk}/notes", {"text": "  "})

    assert set(fields_of(response)) == {"text"}


def test_name_that_is_taken_names_the_field(bob: Asker, service: Service) -> None:
    response = bob.post("services", {"name": service.name})

    assert set(fields_of(response)) == {"name"}


@pytest.fixture
def broken_database() -> Iterator[None]:
    """Every statement fails as if the server were gone."""

    def fail(*args: Any) -> None:
        raise OperationalError("connection to server failed")

    with connection.execute_wrapper(fail):
        yield


def test_database_that_is_gone_is_503_with_retry_after(
    bob: Asker, broken_database: None, caplog: pytest.LogCaptureFixture
) -> None:
    response = bob.get("services")

    assert (response.status_code, code_of(response)) == (503, "unavailable")
    assert int(response["Retry-After"]) > 0
    assert "does not answer" in caplog.text


def test_unforeseen_error_is_500_in_json_and_logged(
    bob: Asker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fall(self: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("incidents.api.services.ServiceViewSet.list", fall)

    with caplog.at_level(logging.ERROR, "django.request"):
        response = Client(raise_request_exception=False).get("/api/v1/services", **bob.headers)

    assert (response.status_code, code_of(response)) == (500, "server_error")
    assert "Traceback" in caplog.text


def test_unforeseen_error_is_left_to_django() -> None:
    assert exception_handler(ZeroDivisionError(), {}) is None


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (IntegrityError("two at once"), 409, "conflict"),
        (DataError("out of range"), 400, "invalid"),
        (InterfaceError("closed"), 503, "unavailable"),
        (UnreadablePostError("gone"), 400, "malformed"),
        (PermissionDenied(), 403, "forbidden"),
        (Http404(), 404, "not_found"),
        (CannotDecrypt("Put the key back."), 500, "cannot_decrypt"),
    ],
)
def test_error_is_translated(error: Exception, status: int, code: str) -> None:
    response = exception_handler(error, {})

    assert response is not None
    assert (response.status_code, response.data["error"]["code"]) == (status, code)
