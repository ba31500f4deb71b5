"""The door's addresses: which format each speaks and where each looks for the key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from incidents.integrations import PARSERS, pagerduty

EVENTS = "events"
PAGERDUTY = "pagerduty"
PAGERDUTY_CHANGE = "pagerduty-change"
OPSGENIE = "opsgenie"
HEARTBEAT = "heartbeat"
# Keys of the two event APIs work on both: a client that speaks one often speaks the other.
EVENT_API_KINDS = frozenset({EVENTS, PAGERDUTY})
OPSGENIE_KINDS = frozenset({OPSGENIE})
Dialect = Literal["opsknight", "pagerduty", "opsgenie", "heartbeat"]
DIALECTS: Final[dict[str, Dialect]] = {
    PAGERDUTY: "pagerduty",
    OPSGENIE: "opsgenie",
    HEARTBEAT: "heartbeat",
}
ANY_METHOD: Final = ()
# A beat is whatever the simplest tool sends: curl, wget --spider, a line in a crontab.
BEAT_METHODS: Final = ("GET", "HEAD", "POST")

_ALERT_API = re.compile(r"(?:/api/integrations/opsgenie)?/v2/alerts((?:/.*)?)$")
_HEARTBEAT = re.compile(r"/api/heartbeats/([^/]+)(?:/(fail))?")
_INTEGRATION = re.compile(r"/api/integrations/([a-z0-9-]+)(?:/([^/]+))?")


@dataclass(frozen=True, slots=True)
class Route:
    """One address of the door."""

    kind: str  # the parser
    kinds: frozenset[str]  # the kinds of integration whose keys work here
    path_key: str = ""
    dialect: Dialect = "opsknight"  # whose shapes its answers have
    methods: tuple[str, ...] = ("POST",)  # ANY_METHOD: it looks at the method itself
    # Of the Alert API: what follows /v2/alerts, as it was sent. Of a heartbeat: "fail" or nothing.
    rest: str = ""

    @property
    def where_key_goes(self) -> str:
        """For the error message of a request without a key."""
        if self.dialect == "pagerduty":
            return "as routing_key in the body"
        if self.dialect == "opsgenie":
            return "in the header “Authorization: GenieKey <key>”"
        if self.kind == EVENTS:
            return "in the header “Authorization: Token token=<key>”"
        return f"in the address, as /api/integrations/{self.kind}/<key>"


_EVENTS_ROUTE = Route(EVENTS, EVENT_API_KINDS)
_PAGERDUTY_ROUTE = Route(PAGERDUTY, EVENT_API_KINDS, dialect="pagerduty")
_CHANGE_ROUTE = Route(PAGERDUTY_CHANGE, EVENT_API_KINDS, dialect="pagerduty")


def find_route(path: str, raw_path: str = "") -> Route | None:
    """The route of a path, with or without a trailing slash.

    `raw_path` is the path as it was sent: an alias may have a slash in it.
    """
    path = path.rstrip("/")
    if path == "/api/events":
        return _EVENTS_ROUTE
    if path in ("/v2/enqueue", "/api/integrations/pagerduty/v2/enqueue"):
        return _PAGERDUTY_ROUTE
    if path in ("/v2/change/enqueue", "/api/integrations/pagerduty/v2/change/enqueue"):
        return _CHANGE_ROUTE
    if found := _ALERT_API.match(raw_path or quote(path)):
        return _alert_api(found[1])
    if beat := _HEARTBEAT.fullmatch(path):
        return _beat(beat[1], beat[2] or "")
    match = _INTEGRATION.fullmatch(path)
    if match is None or match[1] not in PARSERS:
        return None
    kind = match[1]
    kinds = EVENT_API_KINDS if kind in EVENT_API_KINDS else frozenset({kind})
    return Route(kind, kinds, match[2] or "", DIALECTS.get(kind, "opsknight"))


def _alert_api(rest: str) -> Route:
    rest = rest.rstrip("/")
    return Route(OPSGENIE, OPSGENIE_KINDS, dialect="opsgenie", methods=ANY_METHOD, rest=rest)


def _beat(key: str, rest: str) -> Route:
    kinds = frozenset({HEARTBEAT})
    return Route(HEARTBEAT, kinds, key, "heartbeat", BEAT_METHODS, rest)


def find_key(
    route: Route, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> str:
    """The integration key, from the first place that has one; "" when none has."""
    if route.path_key:
        return route.path_key
    for name in ("x-integration-key", "x-api-key", "x-routing-key"):
        if headers.get(name, "").strip():
            return headers[name].strip()
    scheme, _, value = headers.get("authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() == "token" and value.startswith("token="):
        return value.removeprefix("token=").strip("\"'")
    if scheme.lower() in ("bearer", "geniekey") and value:
        return value
    for name in ("integrationKey", "integration_key", "key", "apiKey"):
        if query.get(name):
            return query[name]
    return pagerduty.routing_key(body) if route.dialect == "pagerduty" else ""
