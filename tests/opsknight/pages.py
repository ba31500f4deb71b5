"""Pages of the shell, rendered without a database."""

from django.contrib.auth.models import AnonymousUser
from django.template import RequestContext, Template
from django.test import RequestFactory

from opsknight.models import User

PAGE = (
    '{% extends "opsknight/base.html" %}{% load ui %}'
    "{% block title %}Test{% endblock %}{% block heading %}Test{% endblock %}"
    "{% block content %}CONTENT{% endblock %}"
)
ROW = (
    '<li class="row is-STATUS" data-live-row="incident:ID" data-version="1" '
    'data-status="STATUS" data-label="TITLE">'
    '<span class="row__title"><a href="/incidents/ID/">TITLE</a></span></li>'
)


def shell(content: str, *, path: str = "/") -> str:
    """A page of a signed-in administrator around `content`, which may use the ui tags."""
    request = RequestFactory().get(path)
    request.user = User(
        name="Alice Novak",
        email="alice@example.com",
        role=User.Role.ADMIN,
        status=User.Status.ACTIVE,
        time_zone="Europe/Vienna",
    )
    return Template(PAGE.replace("CONTENT", content)).render(RequestContext(request))


def plain(template: str) -> str:
    """A page of somebody who is not signed in."""
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    return Template(f'{{% extends "{template}" %}}').render(RequestContext(request))


def row(id: int, *, status: str = "triggered", title: str = "") -> str:
    """One incident as a row of a list."""
    return (
        ROW.replace("ID", str(id))
        .replace("STATUS", status)
        .replace("TITLE", title or f"Incident {id}")
    )
