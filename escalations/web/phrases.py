"""How rotations and waits are said on pages."""

from escalations.models import ScheduleLayer
from opsknight.wall_clock import wall_time

Rotation = ScheduleLayer.Rotation


def rotation_phrase(layer: ScheduleLayer, zone: str) -> str:
    """ "Every 2 weeks, handoff Monday 09:00", on the clock of `zone`."""
    handoff = wall_time(layer.starts_at, zone)
    match ScheduleLayer.Rotation(layer.rotation):
        case Rotation.HOURLY:
            return f"{_every(layer.rotation_length, 'hour')}, counted from {handoff:%H:%M}"
        case Rotation.DAILY:
            return f"{_every(layer.rotation_length, 'day')}, handoff {handoff:%H:%M}"
        case Rotation.WEEKLY:
            return f"{_every(layer.rotation_length, 'week')}, handoff {handoff:%A %H:%M}"
        case Rotation.MONTHLY:
            every = _every(layer.rotation_length, "month")
            return f"{every}, handoff on day {handoff.day} at {handoff:%H:%M}"


def _every(length: int, unit: str) -> str:
    return f"Every {unit}" if length == 1 else f"Every {length} {unit}s"


def wait_phrase(minutes: int, *, is_first: bool) -> str:
    """ "At once", "After 10 min", "2 h later"."""
    if minutes == 0:
        return "At once" if is_first else "At the same time"
    return f"After {_length(minutes)}" if is_first else f"{_length(minutes)} later"


def _length(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} h" if hours else "", f"{rest} min" if rest else ""]
    return " ".join(part for part in parts if part)
