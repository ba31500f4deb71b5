"""Short ways to open and to post to the pages of schedules."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from opsknight.models import User


def signed_in(user: User) -> Client:
    """A browser in which somebody is signed in."""
    client = Client()
    client.force_login(user)
    return client


def get(user: User, name: str, *args: int, query: str = "") -> HttpResponse:
    """A page by its URL name."""
    answer = signed_in(user).get(reverse(f"escalations:{name}", args=args) + query)
    assert isinstance(answer, HttpResponse)
    return answer


def page(user: User, name: str, *args: int, query: str = "") -> str:
    """The text of a page that answers 200."""
    answer = get(user, name, *args, query=query)
    assert answer.status_code == 200, answer.content[:500]
    return answer.content.decode()


def post(
    user: User, name: str, *args: int, data: Mapping[str, Any] | None = None, **headers: str
) -> HttpResponse:
    """The answer to a form."""
    address = reverse(f"escalations:{name}", args=args)
    answer = signed_in(user).post(address, dict(data or {}), headers=headers)
    assert isinstance(answer, HttpResponse)
    return answer
