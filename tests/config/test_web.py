"""What one web process does before anybody is asked."""

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
