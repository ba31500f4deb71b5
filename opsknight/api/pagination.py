"""How lists are cut into pages."""

from rest_framework import pagination


class CursorPagination(pagination.CursorPagination):
    """Pages by cursor: stable while rows are added, cheap at any depth. `?limit=` up to 200."""

    ordering = "-id"
    page_size_query_param = "limit"
    max_page_size = 200
