"""The ASGI application: machine intake goes to the door, everything else to Django."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

django_application = get_asgi_application()  # loads the apps; the door needs them

from incidents.intake.door import application as door

application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                re_path(r"^api/events/?$", door),
                re_path(r"^v2/enqueue/?$", door),
                re_path(r"^api/integrations/", door),
                re_path(r"", django_application),
            ]
        )
    }
)
