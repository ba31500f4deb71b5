"""What an integration's templates and routes make of the events that its parser found."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from incidents.intake.decide import URGENCY_OF
from incidents.intake.events import (
    MAX_DESCRIPTION,
    MAX_SUMMARY,
    SEVERITY_WORDS,
    Event,
    fit_dedup_key,
    lines,
    one_line,
)
from incidents.intake.masking import mask_body, mask_headers, mask_query
from incidents.intake.rule_language import BadRule, Program, read_expression, read_template
from incidents.intake.rule_values import OutOfWork, RuleFailed, Scope, Work

logger = logging.getLogger(__name__)

TEMPLATES: Final = ("title", "description", "dedup_key", "urgency")
FIELDS: Final = (*TEMPLATES, "resolve_when")
MAX_ROUTES: Final = 50
MAX_FORM_FIELDS: Final = 1_000


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


def templates_of(values: Mapping[str, str]) -> RuleTexts:
    """The templates by their names in `FIELDS`, without routes."""
    return RuleTexts(
        title=values["title"],
        description=values["description"],
        dedup_key=values["dedup_key"],
        urgency=values["urgency"],
        resolve_when=values["resolve_when"],
    )


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


@dataclass(slots=True)
class RuledEvent:
    """One event as the rules left it, for whoever writes them."""

    event: Event
    routing: Routing | None = None
    route: int | None = None  # the place of the route that matched, from 0
    problems: dict[str, str] = field(default_factory=dict)  # by field: why it was left out
    hints: Sequence[str] = ()  # fields that the rules use and the delivery does not have


def apply_rules(
    texts: RuleTexts,
    events: Sequence[Event],
    *,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes,
    kind: str = "",
    key: str = "",
) -> Ruled:
    """Rewrite and route; never raises: a rule that fails is left out and named in `warnings`.

    `kind` and `key` are the integration's: their secrets are masked. Costs a quarter of a second at
    most, whatever the rules and the delivery are; see `rule_values.MAX_WORK`.
    """
    warnings: dict[str, None] = {}
    found: list[tuple[Event, Routing | None]] = []
    try:
        delivery = Delivered(headers, query, body, kind=kind, key=key)
        for ruled in rule_events(texts, events, delivery):
            found.append((ruled.event, ruled.routing))
            warnings.update(dict.fromkeys(f"{f}: {why}" for f, why in ruled.problems.items()))
    except Exception:  # an alert must not be lost to a mistake in here
        logger.exception("The rules of a delivery failed.")
        warnings["The rules failed; see the log. Events kept what the parser found."] = None
        found += [(event, None) for event in events[len(found) :]]
    return Ruled(found, list(warnings))


class Delivered:
    """What a delivery brought, decoded when a rule first asks for it: without secrets, as what a
    rule writes is read by people who do not see the integration.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        body: bytes,
        *,
        kind: str = "",
        key: str = "",
    ) -> None:
        self._headers, self._query, self._body = headers, query, body
        self._kind, self._key = kind, key

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        return mask_headers(self._headers, self._key)

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The last value of each name."""
        return mask_query(self._query, self._key)

    @cached_property
    def payload(self) -> Any:
        """The JSON of the body, the fields of a form, or the text."""
        return read_payload(self._headers, mask_body(self._kind, self._body, self._key))


def read_payload(headers: Mapping[str, str], body: bytes) -> Any:
    """A body as rules see it: by its first character, as senders often name the wrong type."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        text = body.decode("utf-8", "replace")
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)
        except ValueError:
            return text
        return dict(pairs)
    return text


def rule_events(
    texts: RuleTexts, events: Sequence[Event], delivery: Delivered, *, wants_hints: bool = False
) -> Iterator[RuledEvent]:
    """Each event as the rules leave it; once they cost too much, the rest as they are."""
    rules = read_tried_rules(texts) if wants_hints else _read_stored_rules(texts)
    work = Work()
    for event in events:
        scope = Scope(
            event=shown_event(event),
            delivery=delivery,
            work=work,
            hints={} if wants_hints else None,
        )
        try:
            ruled = _Ruling(rules, event, scope).run()
        except OutOfWork as error:
            ruled = RuledEvent(event, problems={"rules": str(error)})
        ruled.hints = tuple(scope.hints or ())
        yield ruled


def shown_event(event: Event) -> dict[str, Any]:
    """What rules know as `event`: what the parser found, whatever rules make of it."""
    return {
        "action": event.action,
        "dedup_key": event.dedup_key,
        "summary": event.summary,
        "description": event.description,
        "severity": event.severity,
        "priority": event.priority,
        "source": event.source,
        "details": event.details,
        "links": event.links,
    }


@dataclass(frozen=True, slots=True)
class Rules:
    """The texts, checked; what cannot be used is in `problems` and left out."""

    templates: Mapping[str, Program]  # those of FIELDS that are written
    routes: Sequence[tuple[RouteText, Program | None]]  # None always matches; left out: broken
    problems: Mapping[str, str]  # by field: "title", "routes.0.condition"


def read_rules(texts: RuleTexts) -> Rules:
    """Check the texts of one integration; never raises, see `Rules.problems`."""
    problems: dict[str, str] = {}
    templates: dict[str, Program] = {}
    routes: list[tuple[RouteText, Program | None]] = []
    for name in FIELDS:
        source = getattr(texts, name)
        if not source.strip():
            continue
        try:
            read = read_template if name in TEMPLATES else read_expression
            templates[name] = read(source)
        except BadRule as error:
            problems[name] = str(error)
    for place, route in enumerate(texts.routes):
        program = None
        if route.condition.strip():
            try:
                program = read_expression(route.condition)
            except BadRule as error:
                problems[condition_name(place)] = str(error)
                program = _BROKEN
        routes.append((route, program))
    return Rules(templates, routes, problems)


# What somebody tries is another text each time, and may be large: it must not stay.
read_tried_rules = lru_cache(maxsize=8)(read_rules)
_read_stored_rules = lru_cache(maxsize=1024)(read_rules)


def condition_name(place: int) -> str:
    """How the condition of a route is called in errors."""
    return f"routes.{place}.condition"


def _raise_broken(scope: Scope) -> Any:
    raise RuleFailed("It cannot be read.")


_BROKEN: Final = Program(_raise_broken, 1)


class _Ruling:
    """The rules at work on one event."""

    def __init__(self, rules: Rules, event: Event, scope: Scope) -> None:
        self.rules = rules
        self.scope = scope
        self.ruled = RuledEvent(event, problems=dict(rules.problems))
        self.urgency = ""

    def run(self) -> RuledEvent:
        changes: dict[str, Any] = {}
        for name, program in self.rules.templates.items():
            try:
                if name == "resolve_when":
                    if program.holds(self.scope):
                        changes["action"] = "resolve"
                else:
                    self._take(name, program.text(self.scope), changes)
            except OutOfWork:
                raise
            except (RuleFailed, ArithmeticError, TypeError, ValueError, RecursionError) as error:
                self._fail(name, error)
        self._route()
        if changes:
            self.ruled.event = replace(self.ruled.event, **changes)
        return self.ruled

    def _take(self, name: str, text: str, changes: dict[str, Any]) -> None:
        """Clean what a template rendered to; nothing leaves what the parser found."""
        text = text.encode("utf-8", "replace").decode()  # a literal may hold half a character
        match name:
            case "title":
                changes |= _filled("summary", one_line(text, MAX_SUMMARY))
            case "description":
                changes |= _filled("description", lines(text, MAX_DESCRIPTION))
            case "dedup_key":
                changes |= _filled("dedup_key", fit_dedup_key(text))
            case "urgency" if word := text.strip().lower():
                severity = SEVERITY_WORDS.get(word)
                if severity is None:
                    raise RuleFailed(f"“{word[:50]}” is none of high, medium, low.")
                self.urgency = URGENCY_OF[severity]

    def _route(self) -> None:
        """The first route that matches; a template's urgency holds unless the route has its own."""
        has_failed = False
        for place, (route, condition) in enumerate(self.rules.routes):
            try:
                if condition is not None and not condition.holds(self.scope):
                    continue
            except OutOfWork:
                raise
            except (RuleFailed, ArithmeticError, TypeError, ValueError, RecursionError) as error:
                has_failed = True
                self._fail(condition_name(place), error)
                continue
            self.ruled.route = place
            self.ruled.routing = Routing(
                route=route.name,
                policy_id=route.policy_id,
                urgency=route.urgency or self.urgency,
                priority=route.priority,
                # The route that could not be asked might have paged somebody.
                is_suppressed=route.is_suppressed and not has_failed,
            )
            return
        if self.urgency:
            self.ruled.routing = Routing(urgency=self.urgency)

    def _fail(self, name: str, error: Exception) -> None:
        is_ours = isinstance(error, RuleFailed)
        text = str(error) if is_ours else f"It cannot be calculated ({type(error).__name__})."
        self.ruled.problems.setdefault(name, text)


def _filled(name: str, value: str) -> dict[str, str]:
    return {name: value} if value else {}
