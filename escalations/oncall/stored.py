"""A schedule as JSON and back, for the versions that are kept of it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from typing import Any, NotRequired, TypedDict

from escalations.oncall.spec import (
    FixedShift,
    Layer,
    Override,
    OverrideKind,
    Restriction,
    Rotation,
    RotationKind,
    ScheduleSpec,
    TemporarySchedule,
)


class RotationJson(TypedDict):
    """How often the turn passes on."""

    kind: RotationKind
    length: int
    starts_at: str  # as all instants: ISO 8601 in UTC


class RestrictionJson(TypedDict):
    """A time of the week."""

    weekdays: list[int]  # 0 is Monday, in order
    starts: str  # "20:00"
    ends: str


class FixedShiftJson(TypedDict):
    """These people, from then to then."""

    starts_at: str
    ends_at: str
    users: list[int]


class LayerJson(TypedDict):
    """A layer; what it does not have is left out."""

    name: str
    rotation: NotRequired[RotationJson]
    turns: list[list[int]]
    begins_at: NotRequired[str]
    ends_at: NotRequired[str]
    shift_hours: NotRequired[int]
    restrictions: NotRequired[list[RestrictionJson]]
    skips_inactive: NotRequired[bool]
    rank: int
    fixed: NotRequired[list[FixedShiftJson]]


class OverrideJson(TypedDict):
    """A change by hand."""

    kind: OverrideKind
    starts_at: str
    ends_at: str
    user: int | None
    replaces: int | None


class TemporaryJson(TypedDict):
    """A temporary schedule."""

    starts_at: str
    ends_at: str
    shifts: list[FixedShiftJson]


class SpecJson(TypedDict):
    """A schedule."""

    zone: str
    layers: list[LayerJson]
    overrides: list[OverrideJson]
    temporaries: list[TemporaryJson]


def spec_to_json(spec: ScheduleSpec) -> SpecJson:
    """Return a schedule as JSON: equal ones give equal texts, keys in a fixed order."""
    return {
        "zone": spec.zone,
        "layers": [_layer_to_json(layer) for layer in spec.layers],
        "overrides": [
            {
                "kind": one.kind,
                "starts_at": _text(one.starts_at),
                "ends_at": _text(one.ends_at),
                "user": one.user_id,
                "replaces": one.replaces,
            }
            for one in spec.overrides
        ],
        "temporaries": [
            {
                "starts_at": _text(one.starts_at),
                "ends_at": _text(one.ends_at),
                "shifts": _shifts_to_json(one.shifts),
            }
            for one in spec.temporaries
        ],
    }


def spec_from_json(data: Mapping[str, Any]) -> ScheduleSpec:
    """Return the schedule that `spec_to_json` wrote; its instants are in UTC.

    Raises KeyError, TypeError or ValueError for anything else.
    """
    return ScheduleSpec(
        zone=data["zone"],
        layers=tuple(_layer_from_json(layer) for layer in data["layers"]),
        overrides=tuple(
            Override(
                kind=one["kind"],
                starts_at=_instant(one["starts_at"]),
                ends_at=_instant(one["ends_at"]),
                user_id=one["user"],
                replaces=one["replaces"],
            )
            for one in data["overrides"]
        ),
        temporaries=tuple(
            TemporarySchedule(
                _instant(one["starts_at"]),
                _instant(one["ends_at"]),
                _shifts_from_json(one["shifts"]),
            )
            for one in data["temporaries"]
        ),
    )


def _layer_to_json(layer: Layer) -> LayerJson:
    data: LayerJson = {
        "name": layer.name,
        "turns": [list(turn) for turn in layer.turns],
        "rank": layer.rank,
    }
    if layer.rotation:
        data["rotation"] = {
            "kind": layer.rotation.kind,
            "length": layer.rotation.length,
            "starts_at": _text(layer.rotation.starts_at),
        }
    if layer.begins_at:
        data["begins_at"] = _text(layer.begins_at)
    if layer.ends_at:
        data["ends_at"] = _text(layer.ends_at)
    if layer.shift_hours:
        data["shift_hours"] = layer.shift_hours
    if layer.restrictions:
        data["restrictions"] = [_restriction_to_json(one) for one in layer.restrictions]
    if layer.skips_inactive:
        data["skips_inactive"] = True
    if layer.fixed:
        data["fixed"] = _shifts_to_json(layer.fixed)
    return data


def _layer_from_json(data: Mapping[str, Any]) -> Layer:
    rotation = data.get("rotation")
    return Layer(
        name=data["name"],
        rotation=Rotation(rotation["kind"], rotation["length"], _instant(rotation["starts_at"]))
        if rotation
        else None,
        turns=tuple(tuple(turn) for turn in data["turns"]),
        begins_at=_instant(data["begins_at"]) if "begins_at" in data else None,
        ends_at=_instant(data["ends_at"]) if "ends_at" in data else None,
        shift_hours=data.get("shift_hours"),
        restrictions=tuple(
            Restriction(
                frozenset(one["weekdays"]),
                time.fromisoformat(one["starts"]),
                time.fromisoformat(one["ends"]),
            )
            for one in data.get("restrictions", ())
        ),
        skips_inactive=data.get("skips_inactive", False),
        rank=data["rank"],
        fixed=_shifts_from_json(data.get("fixed", ())),
    )


def _restriction_to_json(restriction: Restriction) -> RestrictionJson:
    return {
        "weekdays": sorted(restriction.weekdays),
        "starts": restriction.starts.isoformat("minutes"),
        "ends": restriction.ends.isoformat("minutes"),
    }


def _shifts_to_json(shifts: Iterable[FixedShift]) -> list[FixedShiftJson]:
    return [
        {
            "starts_at": _text(shift.starts_at),
            "ends_at": _text(shift.ends_at),
            "users": list(shift.user_ids),
        }
        for shift in shifts
    ]


def _shifts_from_json(shifts: Iterable[Mapping[str, Any]]) -> tuple[FixedShift, ...]:
    return tuple(
        FixedShift(_instant(one["starts_at"]), _instant(one["ends_at"]), tuple(one["users"]))
        for one in shifts
    )


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
