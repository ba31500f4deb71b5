"""How lists are cut into pages."""

from django.db.models import BigIntegerField
from rest_framework import pagination
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request


class CursorPagination(pagination.CursorPagination):
    """Pages by cursor: stable while rows are added, cheap at any depth. `?limit=` up to 200.

    The order must be of the unique `id`. A larger limit is cut to 200; one that is no number, and
    a cursor that was not ours, are refused.
    """

    ordering = "-id"
    page_size_query_param = "limit"
    page_size_query_description = "Results on a page, 1 to 200."
    cursor_query_description = "From `next` or `previous` of another page."
    max_page_size = 200

    def get_page_size(self, request: Request) -> int | None:
        """The limit asked for, at most 200; raises ValidationError for what is no number."""
        text = request.query_params.get("limit")
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdigit()) or not text[:10].strip("0"):
            raise ValidationError({"limit": ["Use a whole number from 1 to 200."]})
        return min(int(text[:10]), self.max_page_size)

    def decode_cursor(self, request: Request) -> pagination.Cursor | None:
        """The position that a cursor stands for; raises ValidationError for a foreign one."""
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            raise _unusable() from error
        if cursor is None:
            return None
        position = cursor.position
        if position is not None and not self.is_position(str(position)):
            raise _unusable()
        return cursor

    def is_position(self, text: str) -> bool:
        """Whether a position is one that we wrote: an id."""
        return _is_id(text)


class OldestFirst(CursorPagination):
    """The same in the order in which things were made."""

    ordering = "id"


def _is_id(text: str) -> bool:
    return (
        text.isascii()
        and text.isdigit()
        and len(text) <= 19
        and int(text) <= BigIntegerField.MAX_BIGINT
    )


def _unusable() -> ValidationError:
    return ValidationError({"cursor": ["Use `next` or `previous` of another page, unchanged."]})
