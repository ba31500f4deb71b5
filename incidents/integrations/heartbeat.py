"""A beat: whoever is expected to report regularly has reported.

    GET, HEAD or POST /api/heartbeats/<key>         all is well
    GET, HEAD or POST /api/heartbeats/<key>/fail    it did not work; opens an incident at once

The body is optional, for example the end of a job's log; its last line is the reason of a failure.
The door turns the second address into `?status=fail`, which may also be written.
"""

from collections.abc import Mapping
from typing import Final

from incidents.intake.events import MAX_SUMMARY, Event, lines, one_line

FAILURES: Final = frozenset({"fail", "failed", "failure"})
# Stands for the integration's own key, which a parser does not know: see intake/beats.py.
KEY: Final = "heartbeat"


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event, whatever the body is: a trigger for a reported failure, else a resolve."""
    text = lines(body.decode("utf-8", "replace"))
    has_failed = query.get("status", "").strip().lower() in FAILURES
    return [
        Event(
            action="trigger" if has_failed else "resolve",
            dedup_key=KEY,
            summary=one_line(text.rpartition("\n")[2], MAX_SUMMARY),
            description=text,
        )
    ]
