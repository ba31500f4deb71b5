"""Short ways to write instants and layers in the tests of the on-call maths."""

from datetime import UTC, datetime, timedelta, timezone

from escalations.oncall import Layer, Rotation, RotationKind

NEW_YORK = "America/New_York"
ANN, BOB, CEM = 1, 2, 3

_ZONES = {
    "EST": timezone(timedelta(hours=-5)),
    "EDT": timezone(timedelta(hours=-4)),
    "UTC": UTC,
}


def instant(text: str) -> datetime:
    """Read '2026-03-08 03:00 EDT'."""
    moment, zone = text.rsplit(" ", 1)
    return datetime.fromisoformat(moment).replace(tzinfo=_ZONES[zone])


def layer(
    kind: RotationKind,
    length: int,
    starts_at: str,
    *members: int,
    name: str = "primary",
    ends_at: str | None = None,
) -> Layer:
    rotation = Rotation(kind, length, instant(starts_at))
    return Layer(name, rotation, members or (ANN,), instant(ends_at) if ends_at else None)
