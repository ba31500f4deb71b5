"""GET of an address that a user wrote down: checked, pinned, bounded."""

from collections.abc import Iterator

import httpcore
import pytest

from notifications.outgoing_http import (
    BadRedirect,
    Fetched,
    PrivateAddress,
    TooLarge,
    get,
)
from tests.pages_server import Content, PagesServer, running_pages_server


@pytest.fixture
def site() -> Iterator[PagesServer]:
    """Serves a calendar of no shifts."""
    with running_pages_server() as running:
        running.pages["/a.ics"] = Content(b"BEGIN:VCALENDAR", etag='"1"')
        yield running


def fetched(url: str, *, allow_private: bool = True, seconds: float = 5, **headers: str) -> Fetched:
    """What is at an address, at most a kilobyte."""
    return get(url, headers=headers, seconds=seconds, max_bytes=1024, allow_private=allow_private)


def test_body_and_headers_arrive(site: PagesServer) -> None:
    page = fetched(site.url("/a.ics"))

    assert (page.status, page.body, page.headers["etag"]) == (200, b"BEGIN:VCALENDAR", '"1"')


def test_known_body_is_not_sent_again(site: PagesServer) -> None:
    page = fetched(site.url("/a.ics"), **{"If-None-Match": '"1"'})

    assert (page.status, page.body) == (304, b"")


def test_private_address_is_refused_before_anything_is_asked(site: PagesServer) -> None:
    with pytest.raises(PrivateAddress):
        fetched(site.url("/a.ics"), allow_private=False)

    assert site.asked == []


def test_redirects_are_followed_and_checked_one_by_one(site: PagesServer) -> None:
    site.pages["/old"] = Content(status=301, headers={"Location": "/newer"})
    site.pages["/newer"] = Content(status=302, headers={"Location": site.url("/a.ics")})

    assert fetched(site.url("/old")).body == b"BEGIN:VCALENDAR"


@pytest.mark.parametrize(
    "location",
    ["", "/loop", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://[", "http://a:99999/"],
)
def test_redirect_to_nowhere_is_refused(site: PagesServer, location: str) -> None:
    site.pages["/loop"] = Content(status=302, headers={"Location": location})

    with pytest.raises(BadRedirect):
        fetched(site.url("/loop"))


def test_large_body_is_not_read_to_its_end(site: PagesServer) -> None:
    site.pages["/large"] = Content(b"x" * 5_000_000)

    with pytest.raises(TooLarge):
        fetched(site.url("/large"))


def test_dripping_body_ends_at_the_deadline(site: PagesServer) -> None:
    site.pages["/slow"] = Content(drips=True)

    with pytest.raises(httpcore.ReadTimeout):
        fetched(site.url("/slow"), seconds=0.5)
