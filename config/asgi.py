"""The ASGI application: machine intake goes to the door, everything else to Django."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

# Any: Channels routes ASGI applications with Django's `re_path`, whose types know views only.
django_application: Any = get_asgi_application()  # loads the apps; the door needs them

from config import health as health_page
from incidents.intake import door as intake_door

door: Any = intake_door.application
health: Any = health_page.application

application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                re_path(r"^api/events/?$", door),
                re_path(r"^v2/(change/)?enqueue/?$", door),
                re_path(r"^v2/alerts(/|$)", door),
                re_path(r"^api/integrations/", door),
                re_path(r"^api/health/?$", health),
                re_path(r"", django_application),
            ]
        )
    }
)
