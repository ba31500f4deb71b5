"""Light, dark, or as the system says."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def test_theme_is_remembered(client: Client) -> None:
    response = client.post("/theme/", {"theme": "dark"})

    assert response.status_code == 302
    assert response.cookies["theme"].value == "dark"


def test_any_other_theme_means_the_systems(client: Client) -> None:
    client.cookies["theme"] = "dark"

    response = client.post("/theme/", {"theme": "pink"})

    assert response.cookies["theme"].value == ""


def test_choosing_a_theme_leads_back(client: Client) -> None:
    response = client.post(
        "/theme/",
        {"theme": "dark"},
        headers={"referer": "http://testserver/incidents/?status=open"},
    )

    assert response.headers["Location"] == "/incidents/?status=open"


@pytest.mark.parametrize("referer", ["", "https://evil.example/x", "//evil.example/x"])
def test_choosing_a_theme_never_leads_elsewhere(client: Client, referer: str) -> None:
    response = client.post("/theme/", {"theme": "dark"}, headers={"referer": referer})

    assert response.headers["Location"] == "/"


def test_address_with_two_slashes_leads_nowhere_else(client: Client) -> None:
    referer = "http://testserver//evil.example/x"

    response = client.post("/theme/", {"theme": "dark"}, headers={"referer": referer})

    assert response.headers["Location"] == "/%2Fevil.example/x"


def test_theme_is_not_chosen_by_reading(client: Client) -> None:
    assert client.get("/theme/").status_code == 405


def test_page_carries_the_theme_of_the_cookie(client: Client) -> None:
    client.cookies["theme"] = "dark"

    response = client.get("/nowhere/")

    assert '<html lang="en" data-theme="dark">' in response.content.decode()


def test_theme_cookie_is_not_trusted(client: Client) -> None:
    client.cookies["theme"] = '"><script>'

    response = client.get("/nowhere/")

    assert "data-theme" not in response.content.decode()
