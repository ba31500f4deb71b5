"""How rotations and waits are said on pages."""

from collections.abc import Collection

from escalations.models import ScheduleLayer
from escalations.models.schedule import weekdays_in
from opsknight.wall_clock import wall_time

Rotation = ScheduleLayer.Rotation
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


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


def restriction_phrases(layer: ScheduleLayer) -> list[str]:
    """When a layer is active: "Mon to Fri 09:00 to 17:00", one for each restriction."""
    return [
        restriction_phrase(weekdays_in(row.weekdays), f"{row.starts:%H:%M}", f"{row.ends:%H:%M}")
        for row in layer.restrictions.all()
    ]


def restriction_phrase(days: Collection[int], starts: str, ends: str) -> str:
    """ "Every day from 22:00 to 06:00 (next day)", "Sat, Sun, all day"."""
    hours = "all day" if starts == ends == "00:00" else f"{starts} to {ends}"
    if starts >= ends and hours != "all day":
        hours = f"{hours} (next day)"
    return f"{days_phrase(days)}, {hours}"


def days_phrase(days: Collection[int]) -> str:
    """ "Every day", "Mon to Fri", "Mon, Wed"; "never" for none."""
    chosen = sorted(days)
    if not chosen:
        return "never"
    if len(chosen) == len(WEEKDAYS):
        return "Every day"
    if len(chosen) > 2 and chosen[-1] - chosen[0] == len(chosen) - 1:
        return f"{WEEKDAYS[chosen[0]]} to {WEEKDAYS[chosen[-1]]}"
    return ", ".join(WEEKDAYS[day] for day in chosen)


def wait_phrase(minutes: int, *, is_first: bool) -> str:
    """ "At once", "After 10 min", "2 h later"."""
    if minutes == 0:
        return "At once" if is_first else "At the same time"
    return f"After {length_phrase(minutes)}" if is_first else f"{length_phrase(minutes)} later"


def length_phrase(minutes: int) -> str:
    """ "45 min", "1 h 30 min"."""
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} h" if hours else "", f"{rest} min" if rest else ""]
    return " ".join(part for part in parts if part)
