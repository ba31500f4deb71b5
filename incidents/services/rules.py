"""The templates and routes of an integration: read, check, change and try them.

They check nothing about the person; the edge got the integration from `selectors`.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from django.db import transaction

from incidents.intake.events import Event
from incidents.intake.rules import (
    FIELDS,
    MAX_ROUTES,
    Delivered,
    RouteText,
    RuledEvent,
    RuleTexts,
    condition_name,
    read_tried_rules,
    rule_events,
    templates_of,
)
from incidents.integrations import PARSERS
from incidents.models import EventTemplate, Incident, Integration, Route
from incidents.policies import policies_by_id
from opsknight.errors import Conflict, NotFound, OpsKnightError
from opsknight.models import User
from opsknight.services.audit import Changes, record_change
from opsknight.services.configuration import invalid

logger = logging.getLogger(__name__)

MAX_NAME = 100
MAX_PREVIEWED = 20  # events of one delivery

Reasons = dict[str, list[str]]  # by dotted field name


def rule_texts_of(template: EventTemplate | None, routes: Iterable[Route]) -> RuleTexts | None:
    """What the door needs of an integration's rules; None: nothing is written, nothing to do."""
    templates = {name: getattr(template, name) if template else "" for name in FIELDS}
    texts = replace(
        templates_of(templates),
        routes=tuple(_route_text(route) for route in sorted(routes, key=lambda r: r.position)),
    )
    return texts if texts != RuleTexts() else None


def rules_of(integration: Integration) -> RuleTexts:
    """The rules as they are stored; 2 queries."""
    template = EventTemplate.objects.filter(integration=integration).first()
    routes = Route.objects.filter(integration=integration)
    return rule_texts_of(template, routes) or RuleTexts()


def version_of(texts: RuleTexts) -> str:
    """Names exactly these rules: an editor hands it back, so that no other's change is lost."""
    return hashlib.sha256(repr(texts).encode("utf-8", "replace")).hexdigest()[:16]


@transaction.atomic
def save_rules(
    *,
    integration: Integration,
    texts: RuleTexts,
    shown: str | None,
    actor: User | None,
    ip: str | None = None,
) -> RuleTexts:
    """Replace all templates and routes; the door follows within ten seconds.

    `shown` is the version that the editor started from; None: whatever is there is replaced.
    Raises InvalidInput that names every wrong field ("routes.0.condition"), Conflict when they were
    changed meanwhile, NotFound when the integration is gone.
    """
    if reasons := check_rules(texts):
        raise invalid(reasons)
    if not Integration.objects.select_for_update().filter(pk=integration.pk).exists():
        raise NotFound(f"{integration.name} was deleted meanwhile.")
    present = rules_of(integration)
    if shown is not None and shown != version_of(present):
        raise Conflict(
            "Somebody changed these rules meanwhile. Open the page again and repeat your change."
        )
    if changes := _changes(present, texts):
        _write(integration, texts)
        record_change(
            actor=actor,
            action="integration.rules_changed",
            entity=integration,
            changes=changes,
            ip=ip,
        )
    return texts


def check_rules(texts: RuleTexts) -> Reasons:
    """Everything that is wrong with the texts, by field; 1 query, none without policies."""
    reasons: Reasons = {name: [why] for name, why in read_tried_rules(texts).problems.items()}
    if len(texts.routes) > MAX_ROUTES:
        return reasons | {"routes": [f"Use at most {MAX_ROUTES} routes."]}
    wanted = {route.policy_id for route in texts.routes if route.policy_id is not None}
    policies = policies_by_id(wanted) if wanted else {}
    always: RouteText | None = None
    for place, route in enumerate(texts.routes):
        path = f"routes.{place}"
        if always is not None:
            reasons[condition_name(place)] = [
                f"This route is never reached: “{always.name}” before it always matches. "
                "Move it up, or give that one a condition."
            ]
        elif not route.condition.strip():
            always = route
        if not 1 <= len(route.name.strip()) <= MAX_NAME:
            reasons[f"{path}.name"] = [f"Give it a name of at most {MAX_NAME} characters."]
        if route.policy_id is not None and route.policy_id not in policies:
            why = f"There is no escalation policy {route.policy_id}."
            reasons[f"{path}.escalation_policy"] = [why]
        if route.urgency not in ("", *Incident.Urgency.values):
            reasons[f"{path}.urgency"] = ["Choose high, medium or low, or leave it empty."]
        if route.priority not in ("", *Incident.Priority.values):
            reasons[f"{path}.priority"] = ["Choose P1 to P5, or leave it empty."]
    return reasons


@dataclass(frozen=True, slots=True)
class Preview:
    """What rules would make of one delivery. Nothing is stored, nobody is paged."""

    events: Sequence[RuledEvent] = ()
    found: Sequence[Event] = ()  # the same events as the parser found them
    hidden: int = 0  # further events of the delivery
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by field, whatever comes
    error: str = ""  # why the delivery has no events


def preview_rules(
    *,
    kind: str,
    texts: RuleTexts,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes,
) -> Preview:
    """Try rules on a delivery, with the parser and the code that the door uses."""
    problems = check_rules(texts)
    parse = PARSERS.get(kind)
    if parse is None:
        return Preview(
            problems=problems, error="This delivery is no alert: rules see no part of it."
        )
    try:
        events = parse(headers, query, body)
    except OpsKnightError as error:
        return Preview(problems=problems, error=error.message)
    except Exception:  # a mistake in one parser must not break the page that shows it
        logger.exception("The parser of %s failed on a preview.", kind)
        return Preview(problems=problems, error="Our parser broke on this body. It was logged.")
    delivery = Delivered(headers, query, body, kind=kind)
    ruled = rule_events(texts, events, delivery, wants_hints=True)
    return Preview(
        events=list(islice(ruled, MAX_PREVIEWED)),
        found=events[:MAX_PREVIEWED],
        hidden=max(len(events) - MAX_PREVIEWED, 0),
        problems=problems,
    )


def _route_text(route: Route) -> RouteText:
    return RouteText(
        name=route.name,
        condition=route.condition,
        policy_id=route.escalation_policy_id,
        urgency=route.urgency,
        priority=route.priority,
        is_suppressed=route.is_suppressed,
    )


def _write(integration: Integration, texts: RuleTexts) -> None:
    """Write the checked texts; the caller holds the integration's lock."""
    values = {name: getattr(texts, name) for name in FIELDS}
    EventTemplate.objects.update_or_create(integration=integration, defaults=values)
    Route.objects.filter(integration=integration).delete()
    Route.objects.bulk_create(
        Route(
            integration=integration,
            position=place,
            name=route.name,
            condition=route.condition,
            escalation_policy_id=route.policy_id,
            urgency=route.urgency,
            priority=route.priority,
            is_suppressed=route.is_suppressed,
        )
        for place, route in enumerate(texts.routes)
    )


def _changes(before: RuleTexts, after: RuleTexts) -> Changes:
    changes: Changes = {
        name: [getattr(before, name), getattr(after, name)]
        for name in FIELDS
        if getattr(before, name) != getattr(after, name)
    }
    if before.routes != after.routes:
        changes["routes"] = [_described(before), _described(after)]
    return changes


def _described(texts: RuleTexts) -> list[str]:
    """The routes for the audit log: "Databases: if …: policy DBAs, urgency low"."""
    names = policies_by_id(r.policy_id for r in texts.routes if r.policy_id is not None)
    return [_describe(route, names) for route in texts.routes]


def _describe(route: RouteText, names: Mapping[int, str]) -> str:
    chosen = [
        f"policy {names.get(route.policy_id, route.policy_id)}" if route.policy_id else "",
        f"urgency {route.urgency}" if route.urgency else "",
        f"priority {route.priority}" if route.priority else "",
        "suppressed" if route.is_suppressed else "",
    ]
    condition = f"if {route.condition}" if route.condition else "always"
    return f"{route.name}: {condition}: {', '.join(filter(None, chosen)) or 'the defaults'}"
