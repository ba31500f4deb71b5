"""Escalation policies with their steps."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.models import EscalationPolicy, StepTarget
from escalations.selectors import get_policy_for, get_policy_to_change_for, policies_with_steps
from escalations.services import policies
from escalations.services.policies import MAX_DELAY_MINUTES, MAX_STEPS, MAX_TARGETS, TARGET_KINDS
from opsknight.api.fields import ModelSerializer, Part
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey
from opsknight.permissions import require_admin

MAX_REPEATS = 100


class TargetSerializer(Part):
    """Whom a step pages: a user, everybody of a team, or who is on call in a schedule."""

    type = serializers.ChoiceField(choices=TARGET_KINDS)
    id = serializers.IntegerField(min_value=1)
    name = serializers.CharField(read_only=True)

    def to_representation(self, target: StepTarget) -> dict[str, Any]:
        """The one of the three that is set."""
        kind = next(kind for kind in TARGET_KINDS if getattr(target, f"{kind}_id") is not None)
        return {"type": kind, "id": getattr(target, f"{kind}_id"), "name": str(target)}


class StepSerializer(Part):
    """Wait, then page every target at once. The place in the list is the order."""

    delay_minutes = serializers.IntegerField(
        min_value=0,
        max_value=MAX_DELAY_MINUTES,
        default=0,
        help_text="Wait before this step, counted from the step before it.",
    )
    targets = TargetSerializer(many=True, max_length=MAX_TARGETS)  # type: ignore[call-arg]


class PolicySerializer(ModelSerializer):
    """Steps, gone through once and then repeated, until somebody acknowledges."""

    steps = StepSerializer(many=True, max_length=MAX_STEPS)  # type: ignore[call-arg]

    class Meta:
        model = EscalationPolicy
        fields = (
            "id",
            "name",
            "description",
            "repeat_times",
            "repeat_after_minutes",
            "steps",
            "created_at",
        )
        extra_kwargs = {  # noqa: RUF012 — DRF reads it as it is
            "repeat_times": {"max_value": MAX_REPEATS},
            "repeat_after_minutes": {"min_value": 1, "max_value": MAX_DELAY_MINUTES},
        }


@extend_schema_view(
    list=extend_schema(summary="List escalation policies"),
    retrieve=extend_schema(summary="Get an escalation policy"),
)
class PolicyViewSet(ApiViewSet):
    """Escalation policies. Everybody sees them, administrators change them."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = EscalationPolicy.objects.none()
    serializer_class = PolicySerializer
    pagination_class = OldestFirst

    def list(self, request: Request) -> Response:
        """Every policy with its steps."""
        return self.page_of(policies_with_steps(self.actor))

    def retrieve(self, request: Request, pk: str) -> Response:
        """One policy with its steps."""
        return self._answer(int(pk))

    @extend_schema(summary="Create an escalation policy")
    def create(self, request: Request) -> Response:
        """Make a policy with all its steps, or nothing."""
        require_admin(self.actor)
        values = self.parsed()
        steps = _steps_in(values) or []
        policy = policies.create_policy(
            values=cast(policies.PolicyValues, values), steps=steps, actor=self.actor, ip=self.ip
        )
        return self._answer(policy.pk, status=201)

    @extend_schema(summary="Replace an escalation policy")
    def update(self, request: Request, pk: str) -> Response:
        """Replace the policy and all its steps. Escalations that run keep their plan."""
        return self._save(int(pk), partial=False)

    @extend_schema(summary="Change an escalation policy")
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given; `steps`, where given, replaces all of them."""
        return self._save(int(pk), partial=True)

    @extend_schema(summary="Delete an escalation policy")
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it; 409 while services, routes or open incidents use it."""
        policy = get_policy_to_change_for(self.actor, int(pk))
        policies.delete_policy(policy=policy, actor=self.actor, ip=self.ip)
        return Response(status=204)

    def _save(self, pk: int, *, partial: bool) -> Response:
        policy = get_policy_to_change_for(self.actor, pk)
        values = self.parsed(partial=partial)
        steps = _steps_in(values)
        policies.update_policy(
            policy=policy,
            values=cast(policies.PolicyValues, values),
            steps=steps,
            actor=self.actor,
            ip=self.ip,
        )
        return self._answer(pk)

    def _answer(self, pk: int, status: int = 200) -> Response:
        get_policy_for(self.actor, pk)
        return self.answer(policies_with_steps(self.actor).get(pk=pk), status)


def _steps_in(values: dict[str, Any]) -> list[policies.StepInput] | None:
    """Take the steps out of the values; None where none were given."""
    steps = values.pop("steps", None)
    if steps is None:
        return None
    return [
        policies.StepInput(
            delay_minutes=step["delay_minutes"],
            targets=tuple(
                policies.TargetInput(kind=target["type"], id=target["id"])
                for target in step["targets"]
            ),
        )
        for step in steps
    ]
