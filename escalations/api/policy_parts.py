"""What escalation policies are made of in the API: steps, targets, windows, conditions."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from escalations.api.parts import PersonSerializer, WeekdaysField
from escalations.models import EscalationPolicy, PolicyStep, StepTarget
from escalations.models.policy import WEEK_MINUTES
from escalations.models.schedule import weekdays_in
from escalations.services.policy_steps import (
    MAX_ALERTS,
    MAX_DELAY_MINUTES,
    MAX_STEPS,
    MAX_TARGETS,
    TARGET_KINDS,
)
from escalations.snapshots import snapshot_of_target
from opsknight.api.fields import Instant, ModelSerializer, Part

MAX_REPEATS = 100


class StepTargetSerializer(Part):
    """Whom a step pages: a user, everybody of a team, its lead only, who is on call in a schedule,
    or a destination (a channel of a team, an outgoing webhook)."""

    type = serializers.ChoiceField(choices=TARGET_KINDS)
    id = serializers.IntegerField(min_value=1)
    name = serializers.CharField(read_only=True)

    def to_representation(self, target: StepTarget) -> dict[str, Any]:
        """The one that is set."""
        found = snapshot_of_target(target)
        return {"type": found["kind"], "id": found["id"], "name": found["label"]}


class StepWindowSerializer(Part):
    """When a step may be taken, on the clock of the policy."""

    weekdays = WeekdaysField(
        min_length=1, max_length=7, help_text="On which it begins, 0 is Monday."
    )
    starts = serializers.TimeField(format="%H:%M")
    ends = serializers.TimeField(
        format="%H:%M", help_text="Not later than `starts`: on the next day; the same: 24 hours."
    )


class StepConditionSerializer(Part):
    """Hold before a step until more than `alerts` alerts came within `minutes`."""

    alerts = serializers.IntegerField(min_value=1, max_value=MAX_ALERTS)
    minutes = serializers.IntegerField(min_value=1, max_value=WEEK_MINUTES)


class PolicyStepSerializer(Part):
    """Wait, then page every target at once. The place in the list is the order."""

    delay_minutes = serializers.IntegerField(
        min_value=0,
        max_value=MAX_DELAY_MINUTES,
        default=0,
        help_text="Wait before this step, counted from the step before it.",
    )
    urgency = serializers.ChoiceField(
        choices=PolicyStep.Urgency.choices,
        default=PolicyStep.Urgency.ANY,
        help_text="Incidents of another urgency go past the step without a wait.",
    )
    is_round_robin = serializers.BooleanField(
        default=False, help_text="Page one of its people per incident, each in turn."
    )
    window = StepWindowSerializer(
        default=None, allow_null=True, help_text="Outside of it the step is passed over at once."
    )
    condition = StepConditionSerializer(default=None, allow_null=True)
    targets = StepTargetSerializer(many=True, max_length=MAX_TARGETS)  # type: ignore[call-arg]

    def to_representation(self, step: PolicyStep) -> dict[str, Any]:
        """The columns of a window and of a condition, put together."""
        window = condition = None
        if step.window_starts is not None and step.window_ends is not None:
            window = {
                "weekdays": sorted(weekdays_in(step.window_weekdays)),
                "starts": f"{step.window_starts:%H:%M}",
                "ends": f"{step.window_ends:%H:%M}",
            }
        if step.condition_alerts is not None:
            condition = {"alerts": step.condition_alerts, "minutes": step.condition_minutes}
        return {
            "delay_minutes": step.delay_minutes,
            "urgency": step.urgency,
            "is_round_robin": step.is_round_robin,
            "window": window,
            "condition": condition,
            "targets": StepTargetSerializer(step.targets.all(), many=True).data,
        }


class PolicySerializer(ModelSerializer):
    """Steps, gone through once and then repeated, until somebody acknowledges."""

    steps = PolicyStepSerializer(many=True, max_length=MAX_STEPS)  # type: ignore[call-arg]
    version = serializers.IntegerField(
        required=False,
        min_value=1,
        help_text="Counts the saves. Send back the one that you edited: 409 when somebody else "
        "saved since. Left out: whatever was saved is overwritten.",
    )
    saved_at = Instant(read_only=True)
    saved_by = PersonSerializer(read_only=True, allow_null=True)

    class Meta:
        model = EscalationPolicy
        fields = (
            "id",
            "name",
            "description",
            "repeat_times",
            "repeat_after_minutes",
            "steps",
            "fallback_user",
            "fallback_team",
            "ack_timeout_minutes",
            "resolve_after_minutes",
            "is_multi_ack",
            "time_zone",
            "created_at",
            "version",
            "saved_at",
            "saved_by",
        )
        extra_kwargs = {  # noqa: RUF012 — DRF reads it as it is
            "repeat_times": {"max_value": MAX_REPEATS},
            "repeat_after_minutes": {"min_value": 1, "max_value": MAX_DELAY_MINUTES},
            "ack_timeout_minutes": {"min_value": 1, "max_value": WEEK_MINUTES},
            "resolve_after_minutes": {"min_value": 1, "max_value": WEEK_MINUTES},
        }
