"""Escalation policies with their steps."""

from __future__ import annotations

from typing import Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.api.dry_run import DryRunAskedSerializer, DryRunSerializer
from escalations.api.policy_parts import PolicySerializer
from escalations.dry_run import dry_run
from escalations.models import EscalationPolicy
from escalations.selectors import get_policy_for, get_policy_to_change_for, policies_with_steps
from escalations.services import policies
from escalations.services.policy_steps import (
    ConditionInput,
    StepInput,
    TargetInput,
    WindowInput,
)
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey
from opsknight.permissions import require_admin


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
        values.pop("version", None)
        policy = policies.create_policy(
            values=cast(policies.PolicyValues, values), steps=steps, actor=self.actor, ip=self.ip
        )
        return self._answer(policy.pk, status=201)

    @extend_schema(summary="Replace an escalation policy")
    def update(self, request: Request, pk: str) -> Response:
        """Replace the policy and all its steps. Escalations that run keep their plan.

        409 `saved_meanwhile` when somebody else saved since `version`.
        """
        return self._save(int(pk), partial=False)

    @extend_schema(summary="Change an escalation policy")
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given; `steps`, where given, replaces all of them. 409 as for PUT."""
        return self._save(int(pk), partial=True)

    @extend_schema(summary="Delete an escalation policy")
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it; 409 while services, routes or open incidents use it."""
        policy = get_policy_to_change_for(self.actor, int(pk))
        policies.delete_policy(policy=policy, actor=self.actor, ip=self.ip)
        return Response(status=204)

    @extend_schema(
        summary="Try out an escalation policy",
        request=DryRunAskedSerializer,
        responses=DryRunSerializer,
    )
    @action(detail=True, methods=["post"], url_path="dry-run")
    def dry_run(self, request: Request, pk: str) -> Response:
        """Who would be paged when, if an alert came at `at` and nobody answered. Pages nobody."""
        policy = get_policy_for(self.actor, int(pk))
        values = self.parsed(DryRunAskedSerializer)
        asked_at = values["at"] or timezone.now()
        moments = dry_run(policy, asked_at, values["urgency"])
        return Response(DryRunSerializer({"at": asked_at, "moments": moments}).data)

    def _save(self, pk: int, *, partial: bool) -> Response:
        policy = get_policy_to_change_for(self.actor, pk)
        values = self.parsed(partial=partial)
        steps, version = _steps_in(values), values.pop("version", None)
        policies.update_policy(
            policy=policy,
            values=cast(policies.PolicyValues, values),
            steps=steps,
            actor=self.actor,
            ip=self.ip,
            version=version,
        )
        return self._answer(pk)

    def _answer(self, pk: int, status: int = 200) -> Response:
        get_policy_for(self.actor, pk)
        return self.answer(policies_with_steps(self.actor).get(pk=pk), status)


def _steps_in(values: dict[str, Any]) -> list[StepInput] | None:
    """Take the steps out of the values; None where none were given."""
    steps = values.pop("steps", None)
    return None if steps is None else [_step_in(step) for step in steps]


def _step_in(step: dict[str, Any]) -> StepInput:
    window, condition = step["window"], step["condition"]
    return StepInput(
        delay_minutes=step["delay_minutes"],
        targets=tuple(TargetInput(kind=t["type"], id=t["id"]) for t in step["targets"]),
        urgency=step["urgency"],
        is_round_robin=step["is_round_robin"],
        window=window
        and WindowInput(frozenset(window["weekdays"]), window["starts"], window["ends"]),
        condition=condition and ConditionInput(condition["alerts"], condition["minutes"]),
    )
