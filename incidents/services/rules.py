"""The templates and routes of an integration: read and change them."""

from collections.abc import Iterable

from incidents.intake.rules import RouteText, RuleTexts
from incidents.models import EventTemplate, Route


def rule_texts_of(template: EventTemplate | None, routes: Iterable[Route]) -> RuleTexts | None:
    """What the door needs of an integration's rules; None: nothing is written, nothing to do."""
    texts = RuleTexts(
        title=template.title if template else "",
        description=template.description if template else "",
        dedup_key=template.dedup_key if template else "",
        urgency=template.urgency if template else "",
        resolve_when=template.resolve_when if template else "",
        routes=tuple(_route_text(route) for route in sorted(routes, key=lambda r: r.position)),
    )
    return texts if texts != RuleTexts() else None


def _route_text(route: Route) -> RouteText:
    return RouteText(
        name=route.name,
        condition=route.condition,
        policy_id=route.escalation_policy_id,
        urgency=route.urgency,
        priority=route.priority,
        is_suppressed=route.is_suppressed,
    )
