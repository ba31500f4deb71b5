"""How times are written. `static/opsknight/js/time.js` keeps them true with the same rules."""

from datetime import datetime, timedelta
from typing import Literal, assert_never

from django.utils import timezone

Style = Literal["ago", "age", "exact"]


def written(moment: datetime, *, style: Style, now: datetime) -> str:
    """Write `moment` as "5 min ago" / "in 5 min" (ago), "5 min" (age), or as a date (exact)."""
    match style:
        case "exact":
            return short(moment)
        case "ago":
            return _ago(moment, now)
        case "age":
            return span(abs(now - moment)) or short_date(moment, now)
        case _:
            assert_never(style)


def _ago(moment: datetime, now: datetime) -> str:
    text = span(abs(now - moment))
    if not text:
        return short_date(moment, now)
    if text == "now":
        return "just now"
    return f"{text} ago" if moment <= now else f"in {text}"


def span(length: timedelta) -> str:
    """A length in its largest unit; empty from a week on, where a date says more."""
    seconds = int(length.total_seconds())
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        return f"{seconds // 3600} h"
    if seconds < 7 * 86400:
        return f"{seconds // 86400} d"
    return ""


def short_date(moment: datetime, now: datetime) -> str:
    """The day in the viewer's zone, with its year when that is not this year."""
    local = timezone.localtime(moment)
    day = f"{local.day} {local:%b}"
    return day if local.year == timezone.localtime(now).year else f"{day} {local.year}"


def short(moment: datetime) -> str:
    """Day, month and time in the viewer's zone."""
    local = timezone.localtime(moment)
    return f"{local.day} {local:%b %Y, %H:%M}"


def exact(moment: datetime) -> str:
    """To the second, with the zone's name, for hover and focus."""
    local = timezone.localtime(moment)
    return f"{local.day} {local:%b %Y, %H:%M:%S} ({timezone.get_current_timezone_name()})"
