"""Time windows of steps: pure calculation on the clock of a policy."""

from datetime import datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from escalations.models.run import WindowSnapshot

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def is_in_window(window: WindowSnapshot, zone: str, at: datetime) -> bool:
    """Whether an instant is inside the window.

    Weekdays name the day on which the window begins; an end that is not later than the start is on
    the next day. A zone that is gone opens the window: nobody must stay unpaged because of it.
    """
    try:
        local = at.astimezone(ZoneInfo(zone))
    except (ValueError, ZoneInfoNotFoundError):
        return True
    starts, ends = time.fromisoformat(window["starts"]), time.fromisoformat(window["ends"])
    clock, today = local.time(), local.weekday()
    if starts < ends:
        return _names(window, today) and starts <= clock < ends
    began_today = _names(window, today) and clock >= starts
    began_yesterday = _names(window, (today - 1) % 7) and clock < ends
    return began_today or began_yesterday


def _names(window: WindowSnapshot, day: int) -> bool:
    return bool(window["weekdays"] >> day & 1)


def describe_window(window: WindowSnapshot, zone: str) -> str:
    """Such as "Mon to Fri 09:00 to 17:00 (Europe/Vienna)"."""
    starts, ends = time.fromisoformat(window["starts"]), time.fromisoformat(window["ends"])
    return f"{_days(window['weekdays'])} {starts:%H:%M} to {ends:%H:%M} ({zone})"


def _days(bits: int) -> str:
    chosen = [day for day in range(7) if bits >> day & 1]
    if len(chosen) == 7:
        return "every day"
    if len(chosen) > 2 and chosen[-1] - chosen[0] == len(chosen) - 1:
        return f"{DAYS[chosen[0]]} to {DAYS[chosen[-1]]}"
    return ", ".join(DAYS[day] for day in chosen)
