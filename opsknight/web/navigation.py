"""The places of the product, in one table: rail, bottom bar, "More" menu and `g …` shortcuts."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True)
class Place:
    """One entry of the rail."""

    label: str
    url_name: str  # left out where no app provides it
    icon: str  # lucide name
    keys: str = ""  # shortcut, as tinykeys spells it
    is_main: bool = False  # in the phone's bottom bar; the others wait under "More"
    admins_only: bool = False
    responders_only: bool = False


PLACES = (
    Place("Dashboard", "incidents:dashboard", "layout-dashboard", "g d", is_main=True),
    Place("Incidents", "incidents:list", "siren", "g i", is_main=True),
    Place("Services", "incidents:services", "server", "g s", is_main=True),
    Place("Schedules", "escalations:schedules", "calendar-days", "g c", is_main=True),
    Place("Policies", "escalations:policies", "route", "g p"),
    Place("Destinations", "notifications:destinations", "webhook", "g w"),
    Place("Messages", "notifications:messages", "send", "g m"),
    Place("Teams", "opsknight:teams", "users", "g t"),
    Place("People", "opsknight:people", "contact-round", "g u"),
    Place("Operations", "notifications:operations", "activity", "g o", responders_only=True),
    Place("Sandbox", "notifications:sandbox", "flask-conical", "g x", responders_only=True),
)
FOOT_PLACES = (
    Place("API docs", "api-docs", "book-open"),
    Place("Admin", "admin:index", "shield", admins_only=True),
)


@dataclass(frozen=True)
class Link:
    """A place that exists and that this person may open."""

    place: Place
    url: str
    is_current: bool


def links(request: HttpRequest, places: tuple[Place, ...]) -> list[Link]:
    """The places that resolve, in order, the current one marked."""
    is_admin = bool(getattr(request.user, "is_admin", False))
    is_responder = bool(getattr(request.user, "is_responder", False))
    found = []
    for place in places:
        if place.admins_only and not is_admin:
            continue
        if place.responders_only and not is_responder:
            continue
        try:
            url = reverse(place.url_name)
        except NoReverseMatch:
            continue
        found.append(Link(place, url, is_current=_is_at(request.path, url)))
    return found


def _is_at(path: str, url: str) -> bool:
    return path == url or (url != "/" and path.startswith(url))
