"""The beats of heartbeats among the events of a batch: whose they are, and what they say."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from incidents.intake.events import MAX_SUMMARY, Event, one_line
from incidents.models import Integration

KIND: Final[str] = Integration.Kind.HEARTBEAT


@dataclass(frozen=True, slots=True)
class Beat:
    """A report of one heartbeat."""

    integration_id: int
    at: datetime
    has_failed: bool


def beat_key(integration_id: int) -> str:
    """The dedup key of a heartbeat's incidents; rules cannot change it."""
    return f"heartbeat-{integration_id}"


def as_beat(event: Event, integration_id: int, name: str) -> Event:
    """The event of a heartbeat's message, under its key and with its name."""
    summary = event.summary
    if event.action == "trigger":
        summary = one_line(f"{name} failed{': ' if summary else ''}{summary}", MAX_SUMMARY)
    return replace(event, dedup_key=beat_key(integration_id), summary=summary, source=name)


def last_beats(beats: Iterable[Beat]) -> list[Beat]:
    """The last of each heartbeat, in order of their integrations."""
    last = {beat.integration_id: beat for beat in beats}
    return [last[number] for number in sorted(last)]
