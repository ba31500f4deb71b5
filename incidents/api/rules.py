"""The templates and routes of an integration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from incidents.filters import MAX_ID
from incidents.intake.decide import URGENCY_OF
from incidents.intake.rule_language import MAX_SOURCE
from incidents.intake.rules import (
    FIELDS,
    MAX_ROUTES,
    RouteText,
    RuledEvent,
    RuleTexts,
    templates_of,
)
from incidents.models import Delivery, Incident, Integration
from incidents.selectors import get_integration_for, readable_deliveries
from incidents.services.rules import MAX_NAME, preview_rules, rules_of, save_rules, version_of
from opsknight.api.fields import Part, Text
from opsknight.api.views import ApiViewSet
from opsknight.errors import InvalidInput, NotFound
from opsknight.models import User

LANGUAGE = "See docs/reference/rules.md."


class Code(Text):
    """A template or an expression; "" for none."""

    def __init__(self, *, help_text: str) -> None:
        super().__init__(default="", allow_blank=True, max_length=MAX_SOURCE, help_text=help_text)


class RouteSerializer(Part):
    """Where an event goes; null leaves what holds without a route."""

    name = Text(max_length=MAX_NAME)
    condition = Code(help_text="An expression. Empty: always; only the last route may be so.")
    escalation_policy = serializers.IntegerField(
        min_value=1,
        max_value=MAX_ID,
        allow_null=True,
        default=None,
        help_text="null: the service's.",
    )
    urgency = serializers.ChoiceField(Incident.Urgency.choices, allow_null=True, default=None)
    priority = serializers.ChoiceField(Incident.Priority.choices, allow_null=True, default=None)
    is_suppressed = serializers.BooleanField(default=False, help_text="Recorded, but pages nobody.")


class RuleTextsSerializer(serializers.Serializer[Any]):
    """Templates and routes. An empty template leaves what was found in the message."""

    title = Code(help_text=f"A Jinja2 template. {LANGUAGE}")
    description = Code(help_text="A template.")
    dedup_key = Code(help_text="A template. Events with the same key join one incident.")
    urgency = Code(help_text="A template that renders to high, medium or low.")
    resolve_when = Code(help_text="An expression; where it is true, the event resolves.")
    routes = RouteSerializer(  # type: ignore[call-arg]
        many=True, max_length=MAX_ROUTES, default=list, help_text="The first that matches is taken."
    )


class RulesSerializer(RuleTextsSerializer):
    """What an integration's messages are made into."""

    version = Text(
        required=False,
        help_text="As it was read: then 409 if somebody else changed the rules meanwhile.",
    )


class TrialSerializer(RuleTextsSerializer):
    """Rules, and the message to try them on: a recorded delivery, or a body."""

    delivery = serializers.UUIDField(required=False, help_text="The id of a recorded delivery.")
    body = Text(required=False, help_text="A body, in place of a delivery.")


class PreviewedEventSerializer(serializers.Serializer[Any]):
    """One event as the rules leave it."""

    action = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    dedup_key = serializers.CharField()
    urgency = serializers.CharField()
    route = serializers.CharField(allow_null=True, help_text="The name of the route that matched.")
    escalation_policy = serializers.IntegerField(allow_null=True, help_text="null: the service's.")
    priority = serializers.CharField(allow_null=True)
    is_suppressed = serializers.BooleanField()
    problems = serializers.DictField(
        child=serializers.CharField(), help_text="What of the rules was left out, and why."
    )
    missing = serializers.ListField(
        child=serializers.CharField(), help_text="Fields that are used, but not in this message."
    )


class PreviewSerializer(serializers.Serializer[Any]):
    """What the door would make of the message."""

    events = PreviewedEventSerializer(many=True)
    hidden = serializers.IntegerField(help_text="Further events in the message.")
    problems = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="What is wrong with the rules, whatever comes.",
    )
    error = serializers.CharField(allow_null=True, help_text="Why the message has no events.")


class RulesActions(ApiViewSet):
    """What `IntegrationViewSet` does with rules."""

    RULES: ClassVar = RulesSerializer
    PREVIEW: ClassVar = PreviewSerializer

    @extend_schema(summary="Get the rules", responses=RulesSerializer)
    @action(detail=True, methods=["get"], url_path="rules")
    def rules(self, request: Request, pk: str) -> Response:
        """Its templates and routes."""
        return self._answer_rules(rules_of(get_integration_for(self.actor, int(pk))))

    @extend_schema(summary="Replace the rules", request=RulesSerializer, responses=RulesSerializer)
    @rules.mapping.put
    def replace_rules(self, request: Request, pk: str) -> Response:
        """Replace all templates and routes; what is left out is empty. Holds within 10 seconds."""
        integration = get_integration_for(self.actor, int(pk))
        values = self.parsed(RulesSerializer)
        texts = save_rules(
            integration=integration,
            texts=_texts(values),
            shown=values.get("version"),
            actor=self.actor,
            ip=self.ip,
        )
        return self._answer_rules(texts)

    @extend_schema(summary="Try rules", request=TrialSerializer, responses=PreviewSerializer)
    @action(detail=True, methods=["post"], url_path="rules/preview")
    def try_rules(self, request: Request, pk: str) -> Response:
        """Say what these rules would make of a message. Nothing is stored, nobody is paged."""
        integration = get_integration_for(self.actor, int(pk))
        values = self.parsed(TrialSerializer)
        preview = preview_rules(texts=_texts(values), **_message(self.actor, integration, values))
        shown = {
            "events": [_previewed(ruled) for ruled in preview.events],
            "hidden": preview.hidden,
            "problems": preview.problems,
            "error": preview.error or None,
        }
        return Response(self.PREVIEW(shown).data)

    def _answer_rules(self, texts: RuleTexts) -> Response:
        routes = [
            {
                "name": route.name,
                "condition": route.condition,
                "escalation_policy": route.policy_id,
                "urgency": route.urgency or None,
                "priority": route.priority or None,
                "is_suppressed": route.is_suppressed,
            }
            for route in texts.routes
        ]
        templates = {name: getattr(texts, name) for name in FIELDS}
        return Response(
            self.RULES(templates | {"routes": routes, "version": version_of(texts)}).data
        )


def _texts(values: dict[str, Any]) -> RuleTexts:
    return replace(
        templates_of(values),
        routes=tuple(
            RouteText(
                name=route["name"],
                condition=route["condition"],
                policy_id=route["escalation_policy"],
                urgency=route["urgency"] or "",
                priority=route["priority"] or "",
                is_suppressed=route["is_suppressed"],
            )
            for route in values["routes"]
        ),
    )


def _message(user: User, integration: Integration, values: dict[str, Any]) -> dict[str, Any]:
    """What to try the rules on, as `preview_rules` takes it."""
    if "delivery" in values:
        recorded = Delivery.objects.filter(integration=integration, pk=values["delivery"])
        found = next(iter(readable_deliveries(user, recorded)), None)
        if found is None:
            raise NotFound("This integration has no such delivery.")
        return {
            "kind": found.kind,
            "headers": found.headers,
            "query": found.query,
            "body": bytes(found.body),
        }
    if "body" not in values:
        text = "Send a body, or the id of a delivery."
        raise InvalidInput(text, fields={"body": [text]})
    raw = values["body"].encode("utf-8", "replace")
    return {"kind": integration.kind, "headers": {}, "query": {}, "body": raw}


def _previewed(ruled: RuledEvent) -> dict[str, Any]:
    event, routing = ruled.event, ruled.routing
    return {
        "action": event.action,
        "title": event.summary,
        "description": event.description,
        "dedup_key": event.dedup_key,
        "urgency": (routing and routing.urgency) or URGENCY_OF[event.severity],
        "route": (routing and routing.route) or None,
        "escalation_policy": routing.policy_id if routing else None,
        "priority": (routing and routing.priority) or event.priority or None,
        "is_suppressed": bool(routing and routing.is_suppressed),
        "problems": ruled.problems,
        "missing": list(ruled.hints),
    }
