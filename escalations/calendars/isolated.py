"""Reads calendars in a process of its own, so that a bad one can do no more than take its limits.

python -m escalations.calendars.isolated <zone> <start> <end>   the calendar on stdin
"""

import json
import logging
import resource
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from escalations.calendars.reading import ReadEvent, Unreadable, read_events

logger = logging.getLogger(__name__)

SECONDS = 10
MEMORY_BYTES = 1024**3
ROOT = Path(__file__).resolve().parents[2]
TOO_MUCH = "The calendar takes too long to read: an event repeats without end or too often."
REFUSED = 3  # the exit code with which the process says why on stdout


def read_calendar(text: bytes, *, zone: str, start: datetime, end: datetime) -> list[ReadEvent]:
    """The same as `reading.read_events`, within SECONDS and MEMORY_BYTES; raises Unreadable."""
    command = [sys.executable, "-m", __name__, zone, start.isoformat(), end.isoformat()]
    try:
        done = subprocess.run(command, input=text, capture_output=True, timeout=SECONDS, cwd=ROOT)
    except subprocess.TimeoutExpired as error:
        raise Unreadable(TOO_MUCH) from error
    if done.returncode == REFUSED:
        raise Unreadable(done.stdout.decode())
    if done.returncode < 0 or b"MemoryError" in done.stderr:
        raise Unreadable(TOO_MUCH)
    if done.returncode:
        logger.warning("A calendar could not be read: %s", done.stderr.decode()[-4000:])
        raise Unreadable("The calendar cannot be read: it breaks the rules of iCal.")
    return [_event(row) for row in json.loads(done.stdout)]


def _event(row: dict[str, str]) -> ReadEvent:
    return ReadEvent(
        uid=row["uid"],
        summary=row["summary"],
        attendees=tuple(row["attendees"]),
        starts_at=datetime.fromisoformat(row["starts_at"]),
        ends_at=datetime.fromisoformat(row["ends_at"]),
    )


def main(zone: str, start: str, end: str) -> int:
    """Read stdin and write JSON; the exit code is 0, or REFUSED with the reason on stdout."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    window = {"start": datetime.fromisoformat(start), "end": datetime.fromisoformat(end)}
    try:
        events = read_events(sys.stdin.buffer.read(), zone=zone, **window)
    except Unreadable as error:
        sys.stdout.write(str(error))
        return REFUSED
    rows = [
        {
            "uid": event.uid,
            "summary": event.summary,
            "attendees": event.attendees,
            "starts_at": event.starts_at.isoformat(),
            "ends_at": event.ends_at.isoformat(),
        }
        for event in events
    ]
    json.dump(rows, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
