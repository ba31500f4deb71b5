"""What one web process does before anybody is asked."""

import resource
from io import BytesIO

import pytest
from daphne.http_protocol import WebRequest
from twisted.web.http_headers import Headers

from config.settings import INTAKE_MAX_BODY_BYTES


def test_no_more_of_a_body_is_kept_than_shows_that_it_is_too_large() -> None:
    from config.web import Request  # not before a fixture has made the static folder

    request = Request.__new__(Request)
    request.content = BytesIO()

    for _ in range(40):
        request.handleContentChunk(b"x" * 65536)

    assert len(request.content.getvalue()) == INTAKE_MAX_BODY_BYTES + 1


def test_strangers_choose_neither_root_nor_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    from config.web import Request  # not before a fixture has made the static folder

    monkeypatch.setattr(WebRequest, "process", lambda request: None)
    request = Request.__new__(Request)
    request.requestHeaders = Headers(
        {b"Daphne-Root-Path": [b"/evil"], b"Upgrade": [b"websocket"], b"Host": [b"localhost"]}
    )

    request.process()

    assert dict(request.requestHeaders.getAllRawHeaders()) == {b"Host": [b"localhost"]}


def test_connections_are_not_limited_to_the_usual_1024() -> None:
    from config.web import allow_many_connections  # not before a fixture has made the folder

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        allow_many_connections()
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert allowed == min(hard, 65_536)
