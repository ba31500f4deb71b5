"""Where an incident stands in its policy, and when the engine last looked."""

from typing import ClassVar, Literal, TypedDict

from django.db import models
from django.db.models import Q
from django.utils import timezone

from escalations.models.policy import EscalationPolicy
from incidents.models import Incident


class TargetSnapshot(TypedDict):
    """Whom a step names, as it was when the escalation started."""

    kind: Literal["user", "team", "schedule"]
    id: int
    label: str  # its name then, for when it is deleted


class StepSnapshot(TypedDict):
    """One step of the policy, as it was when the escalation started."""

    delay_minutes: int  # wait before this step
    targets: list[TargetSnapshot]


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
    steps = models.JSONField(default=list)  # list[StepSnapshot]
    repeat_times = models.PositiveIntegerField(default=0)
    repeat_after_minutes = models.PositiveIntegerField(default=5)
    next_step = models.PositiveIntegerField(default=0)  # index into steps
    round = models.PositiveIntegerField(default=0)  # 0: the first time through
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    # What the engine set `Incident.escalate_at` to. A due timer that shows another instant was set
    # by somebody else (un-acknowledged, reopened, moved): the escalation starts anew.
    next_at = models.DateTimeField(null=True)
    # Somebody was paged since it started. Without that, the end of a round pages the fallback.
    has_paged = models.BooleanField(default=False)
    # Raised when the escalation starts anew: pages of one generation are unique, pages of the
    # next are new.
    generation = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(state__in=["running", "exhausted", "no_policy"]),
                name="escalation_run_state",
            ),
        )

    def __str__(self) -> str:
        return f"Escalation of {self.incident}"


class EnginePass(models.Model):
    """One row: when the engine last finished a pass. Readiness asks for its age."""

    ONLY: ClassVar[int] = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    at = models.DateTimeField()

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id=1), name="engine_pass_is_one_row"),)

    def __str__(self) -> str:
        return f"Engine pass at {self.at:%H:%M:%S}"
