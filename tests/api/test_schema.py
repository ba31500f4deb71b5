"""The OpenAPI document."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document as JSON; made as its own check makes it."""
    path: Path = tmp_path_factory.mktemp("schema") / "schema.json"
    call_command(
        "spectacular",
        "--validate",
        "--fail-on-warn",
        "--format=openapi-json",
        f"--file={path}",
    )
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_document_is_valid_and_complete(document: dict[str, Any]) -> None:
    paths = {path.removeprefix("/api/v1/") for path in document["paths"]}

    assert {"services", "incidents/{id}/acknowledge", "schedules/{id}/on-call", "events"} <= paths


def test_door_is_described(document: dict[str, Any]) -> None:
    doors = (
        "/api/events",
        "/v2/enqueue",
        "/v2/change/enqueue",
        "/v2/alerts",
        "/v2/alerts/{identifier}/close",
        "/api/integrations/{kind}/{key}",
    )

    assert all("202" in document["paths"][path]["post"]["responses"] for path in doors)


def test_beats_are_described(document: dict[str, Any]) -> None:
    beats = document["paths"]["/api/heartbeats/{key}"]

    assert {"get", "post"} == set(beats)
    assert "200" in document["paths"]["/api/heartbeats/{key}/fail"]["post"]["responses"]


def test_every_operation_says_its_summary_and_its_errors(document: dict[str, Any]) -> None:
    operations = [
        (path, operation)
        for path, methods in document["paths"].items()
        for operation in methods.values()
    ]

    for path, operation in operations:
        assert operation["summary"], path
        assert {"400", "401", "403"} <= set(operation["responses"]), path


def test_errors_have_the_one_shape(document: dict[str, Any]) -> None:
    response = document["paths"]["/api/v1/services"]["post"]["responses"]["400"]

    reference = response["content"]["application/json"]["schema"]["$ref"]
    assert reference == "#/components/schemas/Error"


@pytest.mark.parametrize("path", ["/api/schema", "/api/schema/"])
def test_document_is_open_to_everybody(client: Client, path: str) -> None:
    response = client.get(path, headers={"Accept": "application/vnd.oai.openapi+json"})

    assert response.status_code == 200
    assert json.loads(response.content)["openapi"].startswith("3.")


def test_docs_without_slash_lead_to_the_page(client: Client) -> None:
    response = client.get("/api/docs")

    assert response.status_code == 301
    assert response["Location"] == "/api/docs/"
