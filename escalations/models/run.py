"""Where an incident stands in its policy, and when the engine last looked."""

from typing import ClassVar, Literal, NotRequired, TypedDict

from django.db import models
from django.db.models import Q
from django.utils import timezone

from escalations.models.policy import EscalationPolicy
from incidents.models import Incident

TargetKind = Literal["user", "team", "team_leads", "schedule", "destination"]


class TargetSnapshot(TypedDict):
    """Whom a step names, as it was when the escalation started."""

    kind: TargetKind
    id: int
    label: str  # its name then, for when it is deleted


class WindowSnapshot(TypedDict):
    """When a step may be taken, on the clock of the policy."""

    weekdays: int  # on which it begins: 1 Monday … 64 Sunday
    starts: str  # "09:00:00"
    ends: str  # the same or earlier: of the next day


class ConditionSnapshot(TypedDict):
    """More than so many alerts in so many minutes."""

    alerts: int
    minutes: int


class StepSnapshot(TypedDict):
    """One step of the policy, as it was when the escalation started.

    What is not required is missing where it was not asked for, and in runs of older versions.
    """

    delay_minutes: int  # wait before this step
    targets: list[TargetSnapshot]
    urgency: NotRequired[Literal["high", "other"]]  # for these incidents only
    robin: NotRequired[int]  # its people take turns, counted by the step of this id
    window: NotRequired[WindowSnapshot]
    condition: NotRequired[ConditionSnapshot]


class EscalationRun(models.Model):
    """The plan of one incident, copied from the policy when it started; edits do not reach it."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        EXHAUSTED = "exhausted", "Every step was taken"
        NO_POLICY = "no_policy", "The service has no policy"

    class Stage(models.TextChoices):
        """What the timer is for while it runs."""

        STEPS = "steps", "The next step"
        FALLBACK = "fallback", "The final fallback"
        RESOLVE = "resolve", "The automatic resolve"

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
    fallback = models.JSONField(null=True)  # TargetSnapshot; None: the policy has none
    ack_timeout_minutes = models.PositiveIntegerField(null=True)
    resolve_after_minutes = models.PositiveIntegerField(null=True)
    is_multi_ack = models.BooleanField(default=False)
    time_zone = models.CharField(max_length=64, default="UTC")
    stage = models.CharField(max_length=16, choices=Stage, default=Stage.STEPS)
    next_step = models.PositiveIntegerField(default=0)  # index into steps
    round = models.PositiveIntegerField(default=0)  # 0: the first time through
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    # What the engine set `Incident.escalate_at` to. A due timer that shows another instant was set
    # by somebody else (un-acknowledged, reopened, moved): the escalation starts anew.
    next_at = models.DateTimeField(null=True)
    # {"<index of the step>": whose turn it was}; each time the step is taken it is the next one's.
    turns = models.JSONField(default=dict)
    # Of the pages of the step that was taken last: "step:<generation>:<round>:<step>".
    last_cause = models.CharField(max_length=64, blank=True)
    # Since when the next step waits for its condition; None: it does not.
    held_since = models.DateTimeField(null=True)
    # Somebody asked for the next step: its urgency, hours and condition do not count.
    is_by_hand = models.BooleanField(default=False)
    # Somebody else than the steps name was paged.
    has_fallen_back = models.BooleanField(default=False)
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
            models.CheckConstraint(
                condition=Q(stage__in=["steps", "fallback", "resolve"]),
                name="escalation_run_stage",
            ),
        )

    def __str__(self) -> str:
        return f"Escalation of {self.incident}"


class EnginePass(models.Model):
    """One row: when the engine last finished a pass. Readiness asks for its age."""

    ONLY: ClassVar[int] = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    at = models.DateTimeField()
    steps_total = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id=1), name="engine_pass_is_one_row"),)

    def __str__(self) -> str:
        return f"Engine pass at {self.at:%H:%M:%S}"


class EngineAudit(models.Model):
    """One row: what the last look at the engine's work found, and when the outside was told."""

    ONLY: ClassVar[int] = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    at = models.DateTimeField()
    overdue = models.PositiveIntegerField(default=0)  # incidents whose step is minutes late
    repaired = models.PositiveIntegerField(default=0)  # incidents that had been forgotten
    late_pages = models.PositiveIntegerField(default=0)  # in the outbox, minutes late
    repaired_total = models.BigIntegerField(default=0)
    # The outward heartbeat: when it is due, when it was last taken, and why it was not.
    heartbeat_due_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    heartbeat_error = models.TextField(blank=True)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id=1), name="engine_audit_is_one_row"),)

    def __str__(self) -> str:
        return f"Audit at {self.at:%H:%M:%S}: {self.overdue} overdue, {self.repaired} repaired"
