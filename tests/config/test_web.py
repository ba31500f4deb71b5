"""What one web process does before anybody is asked."""

from io import BytesIO

from config.settings import INTAKE_MAX_BODY_BYTES


def test_no_more_of_a_body_is_kept_than_shows_that_it_is_too_large() -> None:
    from config.web import Request  # not before a fixture has made the static folder

    request = Request.__new__(Request)
    request.content = BytesIO()

    for _ in range(40):
        request.handleContentChunk(b"x" * 65536)

    assert len(request.content.getvalue()) == INTAKE_MAX_BODY_BYTES + 1
