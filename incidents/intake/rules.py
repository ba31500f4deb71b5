"""What an integration's templates and routes make of the events that its parser found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from incidents.intake.events import Event


@dataclass(frozen=True, slots=True)
class RouteText:
    """One route, as it was written."""

    name: str
    condition: str  # "" always matches
    policy_id: int | None
    urgency: str
    priority: str
    is_suppressed: bool


@dataclass(frozen=True, slots=True)
class RuleTexts:
    """The templates and routes of one integration, as they were written."""

    title: str = ""
    description: str = ""
    dedup_key: str = ""
    urgency: str = ""
    resolve_when: str = ""
    routes: tuple[RouteText, ...] = ()


@dataclass(frozen=True, slots=True)
class Routing:
    """What rules decide about an event beside its texts; empty: today's defaults."""

    route: str = ""  # the name of the route that matched
    policy_id: int | None = None
    urgency: str = ""
    priority: str = ""
    is_suppressed: bool = False


@dataclass(frozen=True, slots=True)
class Ruled:
    """The events as the rules left them, and what of the rules failed."""

    events: Sequence[tuple[Event, Routing | None]]
    warnings: Sequence[str] = ()


def apply_rules(
    texts: RuleTexts,
    events: Sequence[Event],
    *,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes,
) -> Ruled:
    """Rewrite and route; never raises: a rule that fails is left out and named in `warnings`."""
    return Ruled([(event, None) for event in events])
