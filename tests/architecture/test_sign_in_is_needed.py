"""Every page needs a session, but for a short list that is here for a reason."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

pytestmark = pytest.mark.django_db

# The first part of the address of what strangers may open, and why.
OPEN = {
    "login/": "how one signs in",
    "logout/": "ends a session, if there is one",
    "admin/login/": "leads to the sign-in",
    "admin/logout/": "ends a session, if there is one",
    "admin/password_change/": "leads to the account pages",
    "setup/<str:token>/": "the token is the permission",
    "invite/<str:token>/": "the token is the permission",
    "reset/<str:token>/": "the token is the permission",
    "a/<str:token>/": "the signed link of a page is the permission",
    "calendars/<str:token>.ics": "the token is the permission",
    "calendars/<str:token>.json": "the token is the permission",
    "sw.js": "a script that browsers start without a session, the same for everybody",
    "manifest.webmanifest": "the name and the icons on a home screen, the same for everybody",
    "theme/": "a cookie of the browser's own",
    "styleguide/": "404 unless DEBUG is on",
    "api/docs": "leads to the page with the slash",
    "api/docs/": "the API's description names no data",
}
SAMPLES = {"int": "1", "str": "x", "slug": "x", "path": "x", "uuid": "0" * 32}
REFUSED = (401, 403, 404, 405)


def pages(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """The routes of every page; Django's admin and the REST routers have tests of their own."""
    for entry in patterns:
        if not isinstance(entry.pattern, RoutePattern):
            continue
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            if not route.startswith("admin/"):
                yield from pages(entry.url_patterns, route)
        else:
            yield route


def address_of(route: str) -> str:
    """An address that matches a route: `teams/<int:pk>/` gives `/teams/1/`."""
    parts = [
        SAMPLES[part[1:].split(":")[0]] if part.startswith("<") and ":" in part else part
        for part in route.split("/")
    ]
    return "/" + "/".join("x" if part.startswith("<") else part for part in parts)


def test_the_list_of_open_pages_names_pages_that_exist() -> None:
    routes = set(pages(get_resolver().url_patterns))

    assert {route for route in OPEN if route not in routes} == set()


def test_strangers_open_no_other_page(client: Client) -> None:
    opened = {}
    for route in pages(get_resolver().url_patterns):
        if route in OPEN:
            continue
        for method in (client.get, client.post):
            response = method(address_of(route))
            is_sign_in = response.status_code == 302 and "/login/?next=" in response.url
            if not is_sign_in and response.status_code not in REFUSED:
                opened[route] = response.status_code

    assert opened == {}
