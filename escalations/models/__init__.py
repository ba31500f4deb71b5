"""Schedules, policies, and the escalation of each incident."""

from escalations.models.policy import EscalationPolicy, PolicyStep, StepTarget
from escalations.models.run import EscalationRun
from escalations.models.schedule import LayerMember, Schedule, ScheduleLayer

__all__ = [
    "EscalationPolicy",
    "EscalationRun",
    "LayerMember",
    "PolicyStep",
    "Schedule",
    "ScheduleLayer",
    "StepTarget",
]
