"""The ASGI application: machine intake goes to the door, everything else to Django."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

# Any: Channels routes ASGI applications with Django's `re_path`, whose types know views only.
django_application: Any = get_asgi_application()  # loads the apps; the door needs them

from config import health as health_page
from config.body_limit import limited
from incidents.intake.door import application as door

health: Any = health_page.application

# What begins with one of these is for the door. Asked before Channels' router, whose regular
# expressions cost an event more than its parser.
DOORS = ("/api/events/", "/api/integrations/", "/api/heartbeats/", "/v2/")

pages = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                re_path(r"^api/health/?$", health),
                re_path(r"", limited(django_application)),  # type: ignore[arg-type]
            ]
        )
    }
)


async def application(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Answer one request."""
    if scope["type"] == "http" and f"{scope['path']}/".startswith(DOORS):
        await door(scope, receive, send)
    else:
        await pages(scope, receive, send)
