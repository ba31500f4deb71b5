"""The URL map; the door (`/api/events`, `/v2/enqueue`, …) is routed in `config/asgi.py`."""

from django.contrib import admin
from django.urls import include, path

from config.api import urlpatterns as api_urls

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include(api_urls)),
    path("", include("realtime.urls")),
    path("", include("opsknight.web.urls")),
    path("", include("incidents.web.urls")),
    path("", include("notifications.web.urls")),
    path("", include("escalations.web.urls")),
]

handler400 = "opsknight.web.errors.bad_request"
handler403 = "opsknight.web.errors.forbidden"
handler404 = "opsknight.web.errors.not_found"
handler500 = "opsknight.web.errors.server_error"
