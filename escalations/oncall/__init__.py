"""Who is on call: the one calculation behind the engine, the pages, the feeds and the API.

Pure: no ORM, no clock. Instants go in aware and come out in UTC; only the calculation in between
happens on the wall clock of the schedule's zone. `docs/explanation/on-call.md` tells the rules with
examples.
"""

from escalations.oncall.answers import (
    gaps_between,
    hours_per_person,
    layer_shifts_between,
    on_call_at,
    shifts_between,
    shifts_of,
    turn_at,
    whole_shifts_between,
)
from escalations.oncall.changes import next_change
from escalations.oncall.restrictions import is_open
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
from escalations.oncall.stored import spec_from_json, spec_to_json
from escalations.oncall.temporaries import cut_temporary, merge_temporaries

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
    "cut_temporary",
    "gaps_between",
    "hours_per_person",
    "is_open",
    "layer_shifts_between",
    "merge_temporaries",
    "next_change",
    "on_call_at",
    "shifts_between",
    "shifts_of",
    "spec_from_json",
    "spec_to_json",
    "turn_at",
    "whole_shifts_between",
]
