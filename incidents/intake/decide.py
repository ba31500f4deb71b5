"""What one event does to what is open: pure, no database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never

from incidents.intake.events import Event, Severity

# "queued": the database is away; it is on disk. "beat": a heartbeat's, while all was well.
Result = Literal[
    "triggered", "folded", "deduplicated", "acknowledged", "resolved", "ignored", "queued", "beat"
]

URGENCY_OF: dict[Severity, str] = {
    "critical": "high",
    "error": "medium",
    "warning": "medium",
    "info": "low",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens, and the status afterwards (None: there is no incident)."""

    result: Result
    status: str | None
    reason: str = ""


def decide(event: Event, *, status: str | None, resolved_at: datetime | None) -> Decision:
    """Decide by the status of the open incident with this key (None: none is open).

    `resolved_at` is when the vendor says this key was resolved, known from a resolve that came
    while nothing was open: a trigger that happened before it arrived late and is over. Without
    the vendor's clock on both, a trigger always opens: a page too many, never one too few.
    """
    match event.action:
        case "trigger" if status is not None:
            return Decision("deduplicated", status)
        case "trigger" if _is_late(event.occurred_at, resolved_at):
            return Decision("resolved", "resolved", "It was resolved before its trigger arrived.")
        case "trigger":
            return Decision("triggered", "triggered")
        case "acknowledge" if status is None:
            return Decision("ignored", None, "No open incident has this dedup_key.")
        case "acknowledge":
            return Decision("acknowledged", "acknowledged")
        case "resolve" if status is None:
            return Decision("ignored", None, "No open incident has this dedup_key.")
        case "resolve":
            return Decision("resolved", "resolved")
        case _:
            assert_never(event.action)


def _is_late(occurred_at: datetime | None, resolved_at: datetime | None) -> bool:
    return occurred_at is not None and resolved_at is not None and occurred_at <= resolved_at
