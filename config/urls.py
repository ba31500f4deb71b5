"""The URL map; the door (`/api/events`, `/v2/enqueue`, …) is routed in `config/asgi.py`."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from config.api import unknown_address
from config.api import urlpatterns as api_urls
from config.metrics import metrics
from opsknight.web.login import admin_sign_in, sign_out

urlpatterns = [
    # Sign-in, its limits and lockouts are one for the pages and the admin.
    path("admin/login/", admin_sign_in),
    path("admin/logout/", sign_out),
    path("admin/password_change/", RedirectView.as_view(pattern_name="opsknight:password")),
    path("admin/", admin.site.urls),
    path("api/", include(api_urls)),
    re_path(r"^metrics/?$", metrics, name="metrics"),
    path("", include("realtime.urls")),
    path("", include("opsknight.web.urls")),
    path("", include("incidents.web.urls")),
    path("", include("notifications.web.urls")),
    path("", include("escalations.web.urls")),
    # Also where DEBUG would show its own page: JSON for every unknown address of the API.
    re_path(r"^api/", unknown_address),
]

handler400 = "opsknight.web.errors.bad_request"
handler403 = "opsknight.web.errors.forbidden"
handler404 = "opsknight.web.errors.not_found"
handler500 = "opsknight.web.errors.server_error"
