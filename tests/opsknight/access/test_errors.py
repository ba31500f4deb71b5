"""Errors of services become pages for people and JSON for the API and htmx."""

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.utils import timezone
from pytest_django import Settings

from config.urls import handler400, handler403, handler404, handler500, urlpatterns
from opsknight.errors import Conflict, InvalidInput, NotAllowed, NotAuthenticated, NotFound
from opsknight.models import User
from opsknight.ratelimit import TooManyRequests
from tests.factories import UserFactory

__all__ = ["handler400", "handler403", "handler404", "handler500"]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

ERRORS = {
    "lost": NotFound("There is no incident #7."),
    "denied": NotAllowed("You may see incident #7 but not change it."),
    "late": Conflict("Incident #7 was resolved meanwhile."),
    "bad": InvalidInput("Look again.", fields={"name": ["Give it a name."]}),
    "often": TooManyRequests("Wait 9 seconds.", retry_after_seconds=9),
    "unknown": NotAuthenticated("Sign in first."),
}


def fail(request: HttpRequest, name: str) -> HttpResponse:
    raise ERRORS[name]


async def fail_async(request: HttpRequest, name: str) -> HttpResponse:
    raise ERRORS[name]


async def zone(request: HttpRequest) -> HttpResponse:
    return HttpResponse(timezone.get_current_timezone_name())


urlpatterns = [
    path("async/zone/", zone),
    path("fail/<str:name>/", fail),
    path("api/fail/<str:name>/", fail),
    path("async/fail/<str:name>/", fail_async),
    *urlpatterns,
]
STATUSES = {"lost": 404, "denied": 403, "late": 409, "bad": 400, "often": 429}


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
def test_people_get_a_page(client: Client, bob: User, name: str, status: int) -> None:
    client.force_login(bob)

    response = client.get(f"/fail/{name}/")

    assert response.status_code == status
    assert "<h1>" in response.text
    if name != "lost":  # what is out of sight and what is not there read the same
        assert ERRORS[name].message in response.text


def test_a_page_says_what_is_wrong_with_a_field(client: Client, bob: User) -> None:
    client.force_login(bob)

    assert "Give it a name." in client.post("/fail/bad/").text


@pytest.mark.parametrize(("name", "status"), [*STATUSES.items(), ("unknown", 401)])
@pytest.mark.parametrize("how", ["/api/fail/", "htmx"])
def test_programs_get_json(client: Client, how: str, name: str, status: int) -> None:
    headers = {"HX-Request": "true"} if how == "htmx" else {}
    base = "/fail/" if how == "htmx" else how

    response = client.get(f"{base}{name}/", headers=headers)

    assert response.status_code == status
    error = ERRORS[name]
    assert response.json()["error"] == {
        "code": error.code,
        "message": error.message,
        "fields": error.fields,
    }


def test_whoever_must_sign_in_is_sent_there_and_back(client: Client) -> None:
    response = client.get("/fail/unknown/?a=1")

    assert response.url == "/login/?next=/fail/unknown/%3Fa%3D1"


def test_a_limit_says_when_to_come_back(client: Client) -> None:
    assert client.get("/api/fail/often/")["Retry-After"] == "9"


@pytest.mark.parametrize(
    ("headers", "expected"), [({}, "<h1>"), ({"HX-Request": "true"}, '"code": "conflict"')]
)
@pytest.mark.django_db(transaction=True)
def test_async_views_are_explained_too(headers: dict[str, str], expected: str) -> None:
    response = async_to_sync(AsyncClient().get)("/async/fail/late/", headers=headers)

    assert response.status_code == 409
    assert expected in response.text


@pytest.mark.django_db(transaction=True)
def test_times_are_in_the_viewers_zone_also_in_async_views() -> None:
    client = AsyncClient()
    client.force_login(UserFactory(name="Yuki", time_zone="Asia/Tokyo"))

    response = async_to_sync(client.get)("/async/zone/")

    assert response.text == "Asia/Tokyo"


def test_unknown_addresses_are_not_found(client: Client, settings: Settings) -> None:
    page, json = client.get("/nowhere/"), client.get("/api/nowhere/")

    assert page.status_code == json.status_code == 404
    assert "<h1>" in page.text
    assert json.json()["error"]["code"] == "not_found"
