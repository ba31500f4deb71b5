"""The door's addresses: which format each speaks and where each looks for the key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from incidents.integrations import PARSERS, pagerduty

EVENTS = "events"
PAGERDUTY = "pagerduty"
# Keys of the two event APIs work on both: a client that speaks one often speaks the other.
EVENT_API_KINDS = frozenset({EVENTS, PAGERDUTY})

_INTEGRATION = re.compile(r"/api/integrations/([a-z0-9-]+)(?:/([^/]+))?")


@dataclass(frozen=True, slots=True)
class Route:
    """One address of the door."""

    kind: str  # the parser
    kinds: frozenset[str]  # the kinds of integration whose keys work here
    path_key: str = ""
    speaks_pagerduty: bool = False  # answers in PagerDuty's shapes

    @property
    def where_key_goes(self) -> str:
        """For the error message of a request without a key."""
        if self.speaks_pagerduty:
            return "as routing_key in the body"
        if self.kind == EVENTS:
            return "in the header “Authorization: Token token=<key>”"
        return f"in the address, as /api/integrations/{self.kind}/<key>"


_EVENTS_ROUTE = Route(EVENTS, EVENT_API_KINDS)
_PAGERDUTY_ROUTE = Route(PAGERDUTY, EVENT_API_KINDS, speaks_pagerduty=True)


def find_route(path: str) -> Route | None:
    """The route of a path, with or without a trailing slash."""
    path = path.rstrip("/")
    if path == "/api/events":
        return _EVENTS_ROUTE
    if path in ("/v2/enqueue", "/api/integrations/pagerduty/v2/enqueue"):
        return _PAGERDUTY_ROUTE
    match = _INTEGRATION.fullmatch(path)
    if match is None or match[1] not in PARSERS:
        return None
    kind = match[1]
    kinds = EVENT_API_KINDS if kind in EVENT_API_KINDS else frozenset({kind})
    return Route(kind, kinds, match[2] or "", speaks_pagerduty=kind == PAGERDUTY)


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
    if scheme.lower() == "bearer" and value:
        return value
    for name in ("integrationKey", "integration_key", "key"):
        if query.get(name):
            return query[name]
    return pagerduty.routing_key(body) if route.speaks_pagerduty else ""
