"""An event on its way from the door to the tables."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from incidents.intake.events import Event
from incidents.intake.rules import Routing


@dataclass(frozen=True, slots=True)
class Received:
    """One event and the way it came."""

    event: Event
    service_id: int
    integration_id: int | None  # None: sent with a person's API key
    sender: str  # shown on the timeline
    key: str = ""  # the integration key it came with; refused when it was rotated meanwhile
    delivery_id: UUID | None = None
    routing: Routing | None = None
    is_beat: bool = False  # of a heartbeat
    # When it came, where that is not now: it was answered 202 and waited on disk. It is taken
    # whatever has become of its integration.
    received_at: datetime | None = None
