"""The preview of rules: what they make of a recorded delivery, a sample or a pasted body."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils import timezone

from incidents import selectors
from incidents.intake.decide import URGENCY_OF
from incidents.intake.events import Event
from incidents.intake.rule_values import Scope, as_text
from incidents.intake.rules import Delivered, RuledEvent, RuleTexts, shown_event
from incidents.models import Delivery, Incident, Integration
from incidents.policies import policies_by_id
from incidents.samples import Values, fill, new_run, sample_of, samples_of
from incidents.services.rules import Preview, preview_rules
from opsknight.models import User

MAX_DELIVERIES = 20
MAX_VARIABLES = 150
MAX_SHOWN = 120  # characters of a variable's value
PASTED = "pasted"
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Body:
    """What a preview is tried on."""

    kind: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Variable:
    """A value of the delivery and how a rule writes it."""

    path: str
    value: str


@dataclass(frozen=True)
class PreviewedEvent:
    """One event as it would be taken."""

    action: str
    title: str
    description: str
    dedup_key: str
    urgency: str
    priority: str
    policy: str  # "": the service's
    route: str  # "": none matched
    is_suppressed: bool
    changed: frozenset[str]  # what the rules changed
    problems: list[tuple[str, str]]  # where, why it was left out
    hints: list[str]  # fields that are used and missing


@dataclass(frozen=True)
class PreviewPanel:
    """What the preview shows."""

    sources: list[tuple[str, list[tuple[str, str]]]]  # groups of value and text
    chosen: str
    pasted: str
    preview: Preview
    events: list[PreviewedEvent] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def panel_of(
    user: User, integration: Integration, texts: RuleTexts, data: Mapping[str, str]
) -> PreviewPanel:
    """The preview of these texts on what `data` chooses; 4 queries, and 1 when routes page.

    What belongs to an incident that the person may not see is not offered.
    """
    deliveries = selectors.readable_deliveries(user, recent_deliveries(integration))
    sources = _sources(integration, deliveries)
    known = [value for _, group in sources for value, _ in group]
    chosen = data.get("source", "")
    if chosen not in known:
        chosen = known[0]
    pasted = data.get("pasted", "")
    body = _body_of(integration, chosen, pasted)
    if body is None:
        problem = Preview(error="Choose a delivery, or paste a body.")
        return PreviewPanel(sources, chosen, pasted, problem)
    preview = preview_rules(
        kind=body.kind, texts=texts, headers=body.headers, query=body.query, body=body.body
    )
    return PreviewPanel(
        sources,
        chosen,
        pasted,
        preview,
        events=_previewed(preview, texts),
        variables=list(_variables(preview, body)),
        problems=[(where_is(path, texts), why[0]) for path, why in preview.problems.items()],
    )


def recent_deliveries(integration: Integration) -> Iterator[Delivery]:
    """The last recorded deliveries that reached the parser, newest first, without their bodies."""
    return iter(
        Delivery.objects.filter(integration=integration)
        .exclude(verdict=Delivery.Verdict.REFUSED)
        .only("id", "integration_id", "received_at", "verdict", "kind", "results")[:MAX_DELIVERIES]
    )


def where_is(path: str, texts: RuleTexts) -> str:
    """A field's dotted name in the words of the page."""
    match path.split("."):
        case ["routes", place, name]:
            number = int(place)
            route = texts.routes[number].name if number < len(texts.routes) else ""
            return f"Route {number + 1}{f' “{route}”' if route else ''}, {name}"
        case [name]:
            return name.replace("_", " ").capitalize()
    return path


def _sources(
    integration: Integration, deliveries: list[Delivery]
) -> list[tuple[str, list[tuple[str, str]]]]:
    recorded = [
        (f"delivery-{d.pk}", f"{d.received_at:%d %b %H:%M:%S} UTC · {d.get_verdict_display()}")
        for d in deliveries
    ]
    samples = [(f"sample-{s.name}", s.title) for s in samples_of(integration.kind)]
    groups = [
        ("Last deliveries", recorded),
        ("Samples", samples),
        ("Your own", [(PASTED, "A body that you paste")]),
    ]
    return [(name, group) for name, group in groups if group]


def _body_of(integration: Integration, chosen: str, pasted: str) -> Body | None:
    how, _, name = chosen.partition("-")
    if how == "delivery":
        found = Delivery.objects.filter(integration=integration, pk=UUID(name)).first()
        if found is None:
            return None
        return Body(found.kind, found.headers, found.query, bytes(found.body))
    if how == "sample":
        values = Values(
            run=new_run(),
            now=timezone.now(),
            summary="Sample alert",
            key=integration.key,
        )
        message = fill(sample_of(integration.kind, name), values)
        headers = {name.lower(): value for name, value in message.headers.items()}
        return Body(integration.kind, headers, message.query, message.body.encode())
    if not pasted.strip():
        return None
    return Body(integration.kind, {}, {}, pasted.encode("utf-8", "replace"))


def _previewed(preview: Preview, texts: RuleTexts) -> list[PreviewedEvent]:
    chosen = {r.policy_id for r in texts.routes if r.policy_id is not None}
    policies = policies_by_id(chosen) if chosen else {}
    return [
        _previewed_event(ruled, found, texts, policies, preview.problems)
        for ruled, found in zip(preview.events, preview.found, strict=True)
    ]


def _previewed_event(
    ruled: RuledEvent,
    found: Event,
    texts: RuleTexts,
    policies: Mapping[int, str],
    known: Collection[str],
) -> PreviewedEvent:
    event, routing = ruled.event, ruled.routing
    urgency = routing.urgency if routing else ""
    if urgency not in Incident.Urgency.values:  # empty, or a mistake in the form
        urgency = URGENCY_OF[event.severity]
    changed = {
        "action": event.action != found.action,
        "title": event.summary != found.summary,
        "description": event.description != found.description,
        "dedup_key": event.dedup_key != found.dedup_key,
        "urgency": urgency != URGENCY_OF[found.severity],
    }
    return PreviewedEvent(
        action=event.action,
        title=event.summary,
        description=event.description,
        dedup_key=event.dedup_key,
        urgency=urgency,
        priority=(routing.priority if routing else "") or event.priority,
        policy=policies.get(routing.policy_id or 0, "") if routing else "",
        route=routing.route if routing else "",
        is_suppressed=bool(routing and routing.is_suppressed),
        changed=frozenset(name for name, is_so in changed.items() if is_so),
        problems=[
            (where_is(path, texts), why)
            for path, why in ruled.problems.items()
            if path not in known
        ],
        hints=list(ruled.hints),
    )


def _variables(preview: Preview, body: Body) -> Iterator[Variable]:
    """What rules can use of the first event and its delivery, in the way they write it."""
    delivery = Delivered(body.headers, body.query, body.body, kind=body.kind)
    event = shown_event(preview.found[0]) if preview.found else {}
    scope = Scope(event=event, delivery=delivery)
    left = MAX_VARIABLES
    for name in ("event", "payload", "query", "headers"):
        value = event if name == "event" else getattr(delivery, name)
        for path, leaf in _leaves(name, value, 0):
            if left == 0:
                return
            left -= 1
            text = as_text(leaf, scope)
            yield Variable(path, text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


def _leaves(path: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Every value below a path; of lists the first three items."""
    if isinstance(value, Mapping) and value and depth < 6:
        for name, item in value.items():
            if str(name).startswith("__"):
                continue
            is_plain = _PLAIN_NAME.fullmatch(str(name))
            yield from _leaves(
                f"{path}.{name}" if is_plain else f"{path}[{name!r}]", item, depth + 1
            )
    elif isinstance(value, list) and value and depth < 6:
        for place, item in enumerate(value[:3]):
            yield from _leaves(f"{path}[{place}]", item, depth + 1)
    else:
        yield path, value
