"""Who is on call: the one calculation behind the engine, the pages, the feeds and the API.

Pure: no ORM, no clock. Instants go in aware and come out in UTC; only the calculation in between
happens on the wall clock of the schedule's zone. `docs/explanation/on-call.md` tells the rules with
examples.
"""

from escalations.oncall.answers import (
    gaps_between,
    hours_per_person,
    layer_shifts_between,
    next_change,
    on_call_at,
    shifts_between,
    shifts_of,
    turn_at,
)
from escalations.oncall.spec import (
    MAX_LENGTH,
    FixedShift,
    Gap,
    History,
    Layer,
    Override,
    OverrideKind,
    Plan,
    Restriction,
    Rotation,
    RotationKind,
    ScheduleSpec,
    Shift,
    ShiftKind,
    TemporarySchedule,
    Version,
)

__all__ = [
    "MAX_LENGTH",
    "FixedShift",
    "Gap",
    "History",
    "Layer",
    "Override",
    "OverrideKind",
    "Plan",
    "Restriction",
    "Rotation",
    "RotationKind",
    "ScheduleSpec",
    "Shift",
    "ShiftKind",
    "TemporarySchedule",
    "Version",
    "gaps_between",
    "hours_per_person",
    "layer_shifts_between",
    "next_change",
    "on_call_at",
    "shifts_between",
    "shifts_of",
    "turn_at",
]
