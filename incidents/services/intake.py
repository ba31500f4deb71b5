"""Turns a batch of events into alerts, incidents and timeline, in one transaction.

The number of statements does not depend on the size of the batch. Rows are locked in one order
(existing incidents by id, new ones by key), so that several web processes cannot deadlock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from django.db import Error, transaction
from django.utils import timezone

from incidents.intake.decide import URGENCY_OF, Decision, Result, decide
from incidents.models import Delivery
from incidents.services import flapping
from incidents.services import intake_sql as sql
from incidents.services.change_records import insert_changes
from incidents.services.delivery_records import DeliveryRecord, insert_deliveries
from incidents.services.intake_known import Known
from incidents.services.intake_routing import apply_routing
from incidents.services.intake_sql import AlertRow, Track
from incidents.services.intake_story import Kind, Story
from incidents.services.past_openings import Key
from incidents.services.received import Received
from incidents.services.statements import are_stale, run_all
from opsknight.errors import NotAllowed, OpsKnightError

# Another process may open the same key between our look and our insert; then we look again.
MAX_TRIES = 5


class KeyGone(NotAllowed):
    """The integration was disabled or deleted while its event was on the way."""


class TryAgain(OpsKnightError):
    """The database was busy with the same key; the sender should repeat."""

    code = "try_again"
    status = 503


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
        try:
            with transaction.atomic():
                batch = _Work(received, records, timezone.now()).run()
                if batch is not None:
                    return batch
                transaction.set_rollback(True)
        except Error as error:
            if not are_stale(error):
                raise
    raise TryAgain("Many senders use this dedup_key at once. Send the event again.")


class _Work:
    """One try at one batch."""

    def __init__(
        self, received: Sequence[Received], records: Sequence[DeliveryRecord], now: datetime
    ) -> None:
        self.received = received
        self.records = records
        self.now = now
        self.known = Known(received, records, now)
        self.story = Story(now)
        self.tracks: list[Track] = []
        self.alerts: list[AlertRow] = []

    def run(self) -> Batch | None:
        """The result, or None when another process opened one of our keys meanwhile."""
        is_usable = self.known.is_usable
        batch = Batch([self._take(r) if is_usable(r) else _gone(r) for r in self.received])
        if not self._write(batch):
            return None
        batch.changed_ids = [t.id for t in self.tracks]
        batch.has_triggered = any(
            t.status == "triggered" and (t.is_new or t.is_roused) for t in self.tracks
        )
        batch.has_settled = any(t.is_settled for t in self.tracks)
        return batch

    def _write(self, batch: Batch) -> bool:
        """Whether everything is stored: not when another process opened one of our keys."""
        known = [t for t in self.tracks if not t.is_new and not t.is_storm]
        new = [t for t in self.tracks if t.is_new]
        self.known.number(new)
        _, inserted, *_ = run_all(
            [
                # First: what is resolved makes room for a new incident of the same key.
                sql.update_incidents(known, self.now),
                sql.insert_incidents(new, self.now),
                sql.insert_alerts(self.alerts, self.now),
                sql.insert_entries(self.story.entries, self.now),
                insert_deliveries(self._recorded(batch.outcomes)),
                *self.known.storms.saved(self.now),
                insert_changes([r.change for r in self.records if r.change is not None]),
            ],
            commits=not new,
        )
        if len(inserted) != len(new):
            return False
        if new:
            run_all([], commits=True)
        return True

    def _recorded(self, outcomes: Sequence[Outcome]) -> list[DeliveryRecord]:
        """Each delivery with what became of its events."""
        records = {r.id: r for r in self.records if r.integration_id in self.known.keys}
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
        return list(records.values())

    def _take(self, received: Received) -> Outcome:
        event = received.event
        key = (received.service_id, event.dedup_key)
        track = self.known.open.get(key)
        if track is None and (storm := self.known.storms.holder_of(key)) is not None:
            return self._take_folded(received, storm)
        if track is not None and event.action == "resolve":
            self._resolve_folded(key)
        decision = decide(
            event,
            status=track.status if track else None,
            resolved_at=self.known.resolved_early.get(key),
        )
        if track is None and decision.status is not None:
            track = self._fresh_track(received)
            if decision.status == "triggered":
                if self.known.storms.must_fold(received.service_id):
                    return self._fold(received, track)
                if track.status != decision.status:
                    decision = replace(decision, status=track.status)
            self._open(track, received, decision)
        if track is None and received.is_beat:
            return Outcome(event.dedup_key, "beat")  # far too many for the table of alerts
        self._keep_alert(received, track)
        if track is None:
            return Outcome(event.dedup_key, decision.result, decision.reason)
        reason = self._apply(received, track, decision) or decision.reason
        return Outcome(event.dedup_key, decision.result, reason, track, track.status)

    def _keep_alert(self, received: Received, track: Track | None) -> None:
        present = received.integration_id if received.integration_id in self.known.keys else None
        self.alerts.append(AlertRow(received, track, present))

    def _fresh_track(self, received: Received) -> Track:
        """The incident that an event calls for; nothing of it is written yet."""
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
        if received.routing is not None:
            apply_routing(track, received.routing, self.known.policies)
        maintenance = self.known.services[track.service_id].maintenance
        if maintenance is not None and track.status == "triggered":
            track.status, track.suppressed_until = "suppressed", maintenance.until
        return track

    def _open(self, track: Track, received: Received, decision: Decision) -> None:
        self.tracks.append(track)
        key, facts = (track.service_id, track.dedup_key), self.known.services[track.service_id]
        self.story.tell(track, received, Kind.TRIGGERED, "Triggered")
        self.story.tell_route(track, received, self.known.policies)
        self.story.tell_maintenance(track, facts)
        openings = self.known.past.of_keys.get(key, 0)
        self.known.past.of_keys[key] = openings + 1
        if decision.result == "triggered" and 0 < facts.flapping_openings <= openings:
            track.is_flapping = True
            self.story.tell_flapping(track, facts)

    def _fold(self, received: Received, fresh: Track) -> Outcome:
        """Let an alert join the storm instead of opening an incident."""
        storm = self.known.storms.fold(fresh, received.event)
        if storm.is_new and not storm.is_touched:
            self.story.tell_storm(storm)
            self.story.tell_maintenance(storm, self.known.services[storm.service_id])
        return self._join_storm(received, storm, "folded", "Alert folded")

    def _take_folded(self, received: Received, storm: Track) -> Outcome:
        """An event of a key that fires in a storm."""
        event = received.event
        match event.action:
            case "trigger":
                return self._join_storm(received, storm, "deduplicated", "Alert joined")
            case "acknowledge":
                self._keep_alert(received, storm)
                reason = "It is one of many in a storm. Acknowledge the storm's incident."
                return Outcome(event.dedup_key, "ignored", reason, storm, storm.status)
            case "resolve":
                self.known.storms.resolve((received.service_id, event.dedup_key))
                self._keep_alert(received, storm)
                self._touch(storm)
                return Outcome(event.dedup_key, "resolved", "", storm, storm.status)
            case _:
                assert_never(event.action)

    def _resolve_folded(self, key: Key) -> None:
        """A key may be open by itself and in a storm: two processes met the flood at once."""
        if (storm := self.known.storms.holder_of(key)) is not None:
            self.known.storms.resolve(key)
            self._touch(storm)

    def _join_storm(self, received: Received, storm: Track, result: Result, what: str) -> Outcome:
        self.story.tell_joined(storm, received, Kind.ALERT, what)
        self._keep_alert(received, storm)
        self._touch(storm)
        storm.new_alerts += 1
        storm.last_alert_at = self.now
        return Outcome(received.event.dedup_key, result, "", storm, storm.status)

    def _touch(self, track: Track) -> None:
        if not track.is_touched:
            track.is_touched = True
            self.tracks.append(track)

    def _apply(self, received: Received, track: Track, decision: Decision) -> str:
        """Move the incident on, and say on its timeline what an onlooker wants to know.

        Returns what the sender should know of it, if anything.
        """
        if not track.is_new:
            self._touch(track)
        if decision.result == "resolved" and track.is_flapping:
            return self._keep_open(received, track)
        match decision.result:
            case "deduplicated":
                self.story.tell_joined(track, received, Kind.ALERT, "Alert joined")
            case "acknowledged" if track.status != "acknowledged":
                track.acknowledged_at = track.acknowledged_at or self.now
                track.is_settled = True
                self.story.tell(track, received, Kind.ACKNOWLEDGED, "Acknowledged")
            case "resolved":
                if flapping.counts(track, self.known.services[track.service_id], self.now):
                    key = (track.service_id, track.dedup_key)
                    self.known.past.of_keys[key] = self.known.past.of_keys.get(key, 0) + 1
                track.resolved_at = self.now
                track.is_settled = True
                self.story.tell(track, received, Kind.RESOLVED, "Resolved")
        track.status = decision.status or track.status
        if received.event.action == "trigger":
            track.new_alerts += 1
            track.last_alert_at = self.now
            track.quiet_since = None
        if track.status == "resolved":
            self.known.open.pop((track.service_id, track.dedup_key), None)
        else:
            self.known.open[(track.service_id, track.dedup_key)] = track
        return ""

    def _keep_open(self, received: Received, track: Track) -> str:
        """A flapping incident outlives a resolve; a sweep resolves it when it has been quiet."""
        track.quiet_since = self.now
        self.story.tell_joined(track, received, Kind.FLAPPING, "Resolve noted, sent")
        return flapping.kept_open(self.known.services[track.service_id])


def _gone(received: Received) -> Outcome:
    message = "This key is unknown or disabled. Copy the key from the service's page."
    return Outcome(received.event.dedup_key, error=KeyGone(message))
