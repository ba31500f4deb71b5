"""The web app manifest: what OpsKnight is called, and how it looks, on a home screen.

iPhones and iPads show push messages only of what was put there.
"""

from django.http import HttpRequest, JsonResponse
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

# As in tokens.css: the rail.
NAVY = "#15203a"
DAY_SECONDS = 24 * 3600


@require_safe
@cache_control(public=True, max_age=DAY_SECONDS)
def manifest(request: HttpRequest) -> JsonResponse:
    """The manifest (https://www.w3.org/TR/appmanifest/); the same for everybody."""
    icons = (
        ("icon-192.png", "192x192", "any"),
        ("icon-512.png", "512x512", "any"),
        ("icon-maskable-512.png", "512x512", "maskable"),
    )
    return JsonResponse(
        {
            "id": "/",
            "name": "OpsKnight",
            "short_name": "OpsKnight",
            "description": "On-call schedules, pages and incidents.",
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "theme_color": NAVY,
            "background_color": NAVY,
            "icons": [
                {
                    "src": static(f"opsknight/img/{name}"),
                    "sizes": sizes,
                    "type": "image/png",
                    "purpose": purpose,
                }
                for name, sizes, purpose in icons
            ],
        },
        content_type="application/manifest+json",
    )
