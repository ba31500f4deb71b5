"""Schedules, policies, and the escalation of each incident."""

from escalations.models.announcements import (
    CalendarRead,
    KnownGap,
    OnCallAnnouncement,
    ScheduleWatch,
)
from escalations.models.calendars import CalendarFeed, ImportedShift
from escalations.models.history import ScheduleVersion
from escalations.models.overrides import (
    Override,
    SwapRequest,
    TemporarySchedule,
    TemporaryShift,
)
from escalations.models.policy import EscalationPolicy, PolicyStep, StepTarget
from escalations.models.preferences import OnCallPreference, OnCallSettings
from escalations.models.run import (
    ConditionSnapshot,
    EngineAudit,
    EnginePass,
    EscalationRun,
    StepSnapshot,
    TargetKind,
    TargetSnapshot,
    WindowSnapshot,
)
from escalations.models.schedule import (
    LayerMember,
    LayerRestriction,
    Schedule,
    ScheduleLayer,
)

__all__ = [
    "CalendarFeed",
    "CalendarRead",
    "ConditionSnapshot",
    "EngineAudit",
    "EnginePass",
    "EscalationPolicy",
    "EscalationRun",
    "ImportedShift",
    "KnownGap",
    "LayerMember",
    "LayerRestriction",
    "OnCallAnnouncement",
    "OnCallPreference",
    "OnCallSettings",
    "Override",
    "PolicyStep",
    "Schedule",
    "ScheduleLayer",
    "ScheduleVersion",
    "ScheduleWatch",
    "StepSnapshot",
    "StepTarget",
    "SwapRequest",
    "TargetKind",
    "TargetSnapshot",
    "TemporarySchedule",
    "TemporaryShift",
    "WindowSnapshot",
]
