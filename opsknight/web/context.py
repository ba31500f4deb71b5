"""What every page of the shell needs."""

from collections.abc import Callable
from functools import partial

from django.http import HttpRequest

from opsknight.web.navigation import FOOT_PLACES, PLACES, Link, links

THEMES = ("light", "dark")
Context = dict[str, str | Callable[[], list[Link]]]


def shell(request: HttpRequest) -> Context:
    """The theme from its cookie, and the navigation (worked out only where a template asks)."""
    theme = request.COOKIES.get("theme", "")
    return {
        "theme": theme if theme in THEMES else "",
        "places": partial(links, request, PLACES),
        "foot_places": partial(links, request, FOOT_PLACES),
    }
