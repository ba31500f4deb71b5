"""Schedules, policies, and the escalation of each incident."""

from escalations.models.policy import EscalationPolicy, PolicyStep, StepTarget
from escalations.models.run import EnginePass, EscalationRun, StepSnapshot, TargetSnapshot
from escalations.models.schedule import LayerMember, Schedule, ScheduleLayer

__all__ = [
    "EnginePass",
    "EscalationPolicy",
    "EscalationRun",
    "LayerMember",
    "PolicyStep",
    "Schedule",
    "ScheduleLayer",
    "StepSnapshot",
    "StepTarget",
    "TargetSnapshot",
]
