"""Lengths of time as people write and read them: "90", "5 min", "1 h 30 min", "2 days"."""

import re
from datetime import timedelta
from typing import Final

UNITS: Final = {
    "days": 86_400,
    "h": 3_600,
    "min": 60,
    "s": 1,
}
_NAMES: Final = {
    **dict.fromkeys(["d", "day", "days"], 86_400),
    **dict.fromkeys(["h", "hour", "hours"], 3_600),
    **dict.fromkeys(["m", "min", "mins", "minute", "minutes"], 60),
    **dict.fromkeys(["s", "sec", "secs", "second", "seconds"], 1),
}
_PART = re.compile(r"(\d{1,9})(?!\d)\s*([a-z]*)[\s,]*")


def in_words(duration: timedelta) -> str:
    """The two largest units of a duration: "1 h 30 min"; less than a second is "0 s"."""
    seconds = max(0, int(duration.total_seconds()))
    words: list[str] = []
    for unit, size in UNITS.items():
        count, rest = divmod(seconds, size)
        if count and len(words) < 2:
            words.append(f"{count} {'day' if (unit, count) == ('days', 1) else unit}")
            seconds = rest
        elif words:
            break
    return " ".join(words) or "0 s"


def as_written(seconds: int) -> str:
    """A duration so that `parse_duration` reads the same again, whatever its units."""
    words = []
    for unit, size in UNITS.items():
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {unit}")
    return " ".join(words) or "0 s"


def parse_duration(text: str) -> int | None:
    """Seconds, from what people write; None when it is no duration. A bare number is seconds."""
    text = text.strip().lower()
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return int(text)
    total, position = 0, 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or match[2] not in _NAMES:
            return None
        total += int(match[1]) * _NAMES[match[2]]
        position = match.end()
    return total if text else None
