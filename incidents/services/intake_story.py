"""What the timeline says of a batch."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from incidents.models import TimelineEntry
from incidents.services import flapping
from incidents.services.intake_routing import describe_routing
from incidents.services.intake_sql import EntryRow, Track
from incidents.services.received import Received
from incidents.services.service_facts import ServiceFacts

Kind = TimelineEntry.Kind
# Joined alerts on the timeline: the first few, then one a minute, so that a storm stays readable.
JOINED_SHOWN = 10
JOINED_EVERY = timedelta(minutes=1)


class Story:
    """The entries of one batch, in order."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.entries: list[EntryRow] = []

    def tell(self, track: Track, received: Received, kind: Kind, what: str) -> None:
        """Say what an event did, and by whom it came."""
        summary = received.event.summary
        tail = f": {summary}" if summary and summary != track.title else ""
        message = f"{what} by {received.sender}{tail}"
        if received.received_at is not None:
            message += (
                f" (received at {received.received_at:%H:%M:%S} UTC, while the database was away)"
            )
        self._add(track, kind, message, received.sender)

    def tell_joined(self, track: Track, received: Received, kind: Kind, what: str) -> None:
        """The same, unless too much was told of this incident lately."""
        is_crowded = track.alert_count + track.new_alerts >= JOINED_SHOWN
        last = track.last_alert_at
        if not is_crowded or last is None or self._now - last > JOINED_EVERY:
            self.tell(track, received, kind, what)

    def tell_route(self, track: Track, received: Received, policies: Mapping[int, str]) -> None:
        """Say which route chose what, where one did."""
        routing = received.routing
        if routing is not None and (said := describe_routing(track, routing, policies)):
            self._add(track, Kind.ROUTED, said, received.sender)

    def tell_maintenance(self, track: Track, facts: ServiceFacts) -> None:
        """Say why an incident pages nobody, when that is maintenance."""
        if facts.maintenance is not None and track.suppressed_until is not None:
            self._add(track, Kind.MAINTENANCE, facts.maintenance.told(self._now))

    def tell_flapping(self, track: Track, facts: ServiceFacts) -> None:
        """Say that it is marked."""
        self._add(track, Kind.FLAPPING, flapping.marked(facts))

    def tell_storm(self, storm: Track) -> None:
        """Say that a storm has begun."""
        self._add(storm, Kind.TRIGGERED, f"Triggered. {storm.description}")

    def _add(self, track: Track, kind: Kind, message: str, sender: str = "") -> None:
        self.entries.append(EntryRow(track, str(kind), message, sender))
