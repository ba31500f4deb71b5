"""Turns a batch of events into alerts, incidents and timeline, in one transaction.

The number of statements does not depend on the size of the batch. Rows are locked in one order
(existing incidents by id, new ones by key), so that several web processes cannot deadlock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from incidents.intake.decide import URGENCY_OF, Decision, Result, decide
from incidents.intake.events import Event
from incidents.intake.rules import Routing
from incidents.models import Delivery, TimelineEntry
from incidents.services import intake_sql as sql
from incidents.services.change_records import insert_changes
from incidents.services.delivery_records import DeliveryRecord, insert_deliveries
from incidents.services.intake_sql import AlertRow, EntryRow, Track
from opsknight.errors import NotAllowed, OpsKnightError

# Another process may open the same key between our look and our insert; then we look again.
MAX_TRIES = 5
# Joined alerts on the timeline: the first few, then one a minute, so that a storm stays readable.
JOINED_SHOWN = 10
JOINED_EVERY = timedelta(minutes=1)


class KeyGone(NotAllowed):
    """The integration was disabled or deleted while its event was on the way."""


class TryAgain(OpsKnightError):
    """The database was busy with the same key; the sender should repeat."""

    code = "try_again"
    status = 503


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
    # When it came, where that is not now: it was answered 202 and waited on disk. It is taken
    # whatever has become of its integration.
    received_at: datetime | None = None


@dataclass(slots=True)
class Outcome:
    """What became of one event."""

    dedup_key: str
    result: Result | None = None  # None: see `error`
    reason: str = ""
    track: Track | None = None  # the incident, as the event left it
    status: str = ""
    error: OpsKnightError | None = None

    def recorded(self) -> dict[str, object]:
        """What the record of the delivery keeps of it."""
        kept: dict[str, object] = {"action": self.result, "dedup_key": self.dedup_key}
        if self.track is not None:
            kept["incident"] = self.track.id
        if self.reason:
            kept["reason"] = self.reason
        return kept


@dataclass(slots=True)
class Batch:
    """What a committed batch calls for: which pages change, who must be woken."""

    outcomes: list[Outcome] = field(default_factory=list)
    changed_ids: list[int] = field(default_factory=list)
    has_triggered: bool = False
    has_settled: bool = False


def receive_events(received: Sequence[Received], records: Sequence[DeliveryRecord] = ()) -> Batch:
    """Store the batch and the deliveries it came in; on return it is committed.

    Raises whatever the database raises; then nothing of the batch was stored. An event whose
    integration or service is gone has `error` set and does not harm the others.
    """
    for _ in range(MAX_TRIES):
        with transaction.atomic():
            batch = _Work(received, records, timezone.now()).run()
            if batch is not None:
                return batch
            transaction.set_rollback(True)
    raise TryAgain("Many senders use this dedup_key at once. Send the event again.")


class _Work:
    """One try at one batch."""

    def __init__(
        self, received: Sequence[Received], records: Sequence[DeliveryRecord], now: datetime
    ) -> None:
        self.received = received
        self.records = records
        self.now = now
        self.keys: dict[int | None, str | None] = {}
        self.open: dict[tuple[int, str], Track] = {}
        self.tracks: list[Track] = []
        self.alerts: list[AlertRow] = []
        self.entries: list[EntryRow] = []

    def run(self) -> Batch | None:
        """The result, or None when another process opened one of our keys meanwhile."""
        self.keys = sql.present_keys(
            {r.integration_id for r in self.received} | {r.integration_id for r in self.records}
        )
        services = sql.existing_services({r.service_id for r in self.received})
        usable = [r.service_id in services and _opens(r, self.keys) for r in self.received]
        self._look_up([r for r, ok in zip(self.received, usable, strict=True) if ok])
        batch = Batch(
            [self._take(r) if ok else _gone(r) for r, ok in zip(self.received, usable, strict=True)]
        )
        new = [t for t in self.tracks if t.is_new]
        if not sql.insert_incidents(new, self.now):
            return None
        sql.update_incidents([t for t in self.tracks if not t.is_new], self.now)
        sql.insert_alerts(self.alerts, self.now)
        sql.insert_entries(self.entries, self.now)
        self._record(batch.outcomes)
        batch.changed_ids = [t.id for t in self.tracks]
        batch.has_triggered = any(t.status == "triggered" for t in new)
        batch.has_settled = any(t.is_settled for t in self.tracks)
        return batch

    def _record(self, outcomes: Sequence[Outcome]) -> None:
        """Write each delivery with what became of its events."""
        records = {r.id: r for r in self.records if r.integration_id in self.keys}
        for record in records.values():
            record.results = [{"action": "changed"}] if record.change else []
        for received, outcome in zip(self.received, outcomes, strict=True):
            ours = records.get(received.delivery_id) if received.delivery_id else None
            if ours is None:
                continue
            ours.results.append(outcome.recorded())
            if outcome.error is not None:
                ours.verdict = Delivery.Verdict.REFUSED
                ours.reason = outcome.error.message
        insert_deliveries(list(records.values()))
        insert_changes([r.change for r in self.records if r.change is not None])

    def _look_up(self, received: list[Received]) -> None:
        keys = {(r.service_id, r.event.dedup_key) for r in received}
        self.open = sql.lock_open_incidents(keys)
        timed = {
            (r.service_id, r.event.dedup_key)
            for r in received
            if r.event.action == "trigger" and r.event.occurred_at is not None
        }
        self.resolved_early = sql.early_resolves(timed - self.open.keys(), self.now)

    def _take(self, received: Received) -> Outcome:
        event = received.event
        key = (received.service_id, event.dedup_key)
        track = self.open.get(key)
        decision = decide(
            event,
            status=track.status if track else None,
            resolved_at=self.resolved_early.get(key),
        )
        if track is None and decision.status is not None:
            track = self._new_track(received, decision)
        present = received.integration_id if received.integration_id in self.keys else None
        self.alerts.append(AlertRow(received, track, present))
        if track is None:
            return Outcome(event.dedup_key, decision.result, decision.reason)
        self._apply(received, track, decision)
        return Outcome(
            event.dedup_key, decision.result, decision.reason, track, decision.status or ""
        )

    def _new_track(self, received: Received, decision: Decision) -> Track:
        event = received.event
        track = Track(
            id=0,
            service_id=received.service_id,
            dedup_key=event.dedup_key,
            status="triggered",
            title=event.summary,
            urgency=URGENCY_OF[event.severity],
            description=event.description,
            is_new=True,
        )
        self.tracks.append(track)
        self._tell(track, received, TimelineEntry.Kind.TRIGGERED, "Triggered")
        return track

    def _apply(self, received: Received, track: Track, decision: Decision) -> None:
        """Move the incident on, and say on its timeline what an onlooker wants to know."""
        if not track.is_new and not track.is_touched:
            track.is_touched = True
            self.tracks.append(track)
        kind = TimelineEntry.Kind
        match decision.result:
            case "deduplicated":
                if self._shows_joined(track):
                    self._tell(track, received, kind.ALERT, "Alert joined")
            case "acknowledged" if track.status != "acknowledged":
                track.acknowledged_at = track.acknowledged_at or self.now
                track.is_settled = True
                self._tell(track, received, kind.ACKNOWLEDGED, "Acknowledged")
            case "resolved":
                track.resolved_at = self.now
                track.is_settled = True
                self._tell(track, received, kind.RESOLVED, "Resolved")
        track.status = decision.status or track.status
        if received.event.action == "trigger":
            track.new_alerts += 1
            track.last_alert_at = self.now
        if track.status == "resolved":
            self.open.pop((track.service_id, track.dedup_key), None)
        else:
            self.open[(track.service_id, track.dedup_key)] = track

    def _shows_joined(self, track: Track) -> bool:
        if track.alert_count + track.new_alerts < JOINED_SHOWN or track.last_alert_at is None:
            return True
        return self.now - track.last_alert_at > JOINED_EVERY

    def _tell(self, track: Track, received: Received, kind: TimelineEntry.Kind, what: str) -> None:
        summary = received.event.summary
        tail = f": {summary}" if summary and summary != track.title else ""
        message = f"{what} by {received.sender}{tail}"
        if received.received_at is not None:
            message += (
                f" (received at {received.received_at:%H:%M:%S} UTC, while the database was away)"
            )
        self.entries.append(EntryRow(track, str(kind), message, received.sender))


def _opens(received: Received, keys: Mapping[int | None, str | None]) -> bool:
    if received.integration_id is None or received.received_at is not None:
        return True
    present = keys.get(received.integration_id)
    return present is not None and received.key in ("", present)


def _gone(received: Received) -> Outcome:
    message = "This key is unknown or disabled. Copy the key from the service's page."
    return Outcome(received.event.dedup_key, error=KeyGone(message))
