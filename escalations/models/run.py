"""Where an incident stands in its policy."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from escalations.models.policy import EscalationPolicy
from incidents.models import Incident


class EscalationRun(models.Model):
    """The plan of one incident, copied from the policy when it started; edits do not reach it."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        EXHAUSTED = "exhausted", "Every step was taken"
        NO_POLICY = "no_policy", "The service has no policy"

    incident = models.OneToOneField(
        Incident, on_delete=models.CASCADE, related_name="escalation_run"
    )
    policy = models.ForeignKey(
        EscalationPolicy, on_delete=models.SET_NULL, null=True, related_name="runs"
    )
    policy_name = models.CharField(max_length=200, blank=True)
    # [{"delay_minutes": int, "targets": [{"kind": "user"|"team"|"schedule", "id": int, "label": str}]}]
    steps = models.JSONField(default=list)
    repeat_times = models.PositiveIntegerField(default=0)
    repeat_after_minutes = models.PositiveIntegerField(default=5)
    next_step = models.PositiveIntegerField(default=0)  # index into steps
    round = models.PositiveIntegerField(default=0)  # 0: the first time through
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    # Raised when the escalation starts anew (reassigned, un-acknowledged): pages of one
    # generation are unique, pages of the next are new.
    generation = models.PositiveIntegerField(default=0)

    RUNNING_STATES: ClassVar[tuple[State, ...]] = (State.RUNNING,)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(state__in=["running", "exhausted", "no_policy"]),
                name="escalation_run_state",
            ),
        )

    def __str__(self) -> str:
        return f"Escalation of {self.incident}"
