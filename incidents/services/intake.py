"""Turns a batch of events into alerts, incidents and timeline, in one transaction.

The number of statements does not depend on the size of the batch. Rows are locked in one order
(existing incidents by id, new ones by key), so that several web processes cannot deadlock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from incidents.intake.beats import Beat, last_beats
from incidents.intake.decide import URGENCY_OF, Decision, Result, decide
from incidents.intake.events import Event
from incidents.intake.rules import Routing
from incidents.models import Delivery, TimelineEntry
from incidents.services import flapping
from incidents.services import intake_sql as sql
from incidents.services.beat_records import record_beats
from incidents.services.change_records import insert_changes
from incidents.services.delivery_records import DeliveryRecord, insert_deliveries
from incidents.services.intake_routing import apply_routing, describe_routing, names_of_policies
from incidents.services.intake_sql import AlertRow, EntryRow, Track
from incidents.services.past_openings import Key, PastOpenings, past_openings
from incidents.services.service_facts import ServiceFacts, read_facts, service_facts
from incidents.services.statements import fetch_all, run_all
from incidents.services.storms import Storms
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
    is_beat: bool = False  # of a heartbeat
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
        self.policies: dict[int, str] = {}  # names, of those that routes chose
        self.services: dict[int, ServiceFacts] = {}
        self.storms = Storms({}, now)
        self.past = PastOpenings()
        self.open: dict[Key, Track] = {}
        self.tracks: list[Track] = []
        self.alerts: list[AlertRow] = []
        self.entries: list[EntryRow] = []

    def run(self) -> Batch | None:
        """The result, or None when another process opened one of our keys meanwhile."""
        keys, facts = fetch_all(
            [
                sql.present_keys(
                    {r.integration_id for r in self.received}
                    | {r.integration_id for r in self.records}
                ),
                service_facts({r.service_id for r in self.received}),
            ]
        )
        self.keys, self.services = dict(keys), read_facts(facts)
        self.storms = Storms(self.services, self.now)
        self.policies = names_of_policies(r.routing for r in self.received)
        usable = [r.service_id in self.services and _opens(r, self.keys) for r in self.received]
        taken = [r for r, ok in zip(self.received, usable, strict=True) if ok]
        record_beats(last_beats(_beat(r, self.now) for r in taken if r.is_beat))
        self._look_up(taken)
        batch = Batch(
            [self._take(r) if ok else _gone(r) for r, ok in zip(self.received, usable, strict=True)]
        )
        known = [t for t in self.tracks if not t.is_new and not t.is_storm]
        new = [t for t in self.tracks if t.is_new]
        insert = sql.insert_incidents(new, self.now)  # sets the ids, which the others need
        _, inserted, *_ = run_all(
            [
                # First: what is resolved makes room for a new incident of the same key.
                sql.update_incidents(known, self.now),
                insert,
                sql.insert_alerts(self.alerts, self.now),
                sql.insert_entries(self.entries, self.now),
                insert_deliveries(self._recorded(batch.outcomes)),
            ]
        )
        if inserted != len(new):
            return None
        self.storms.save(self.now)
        insert_changes([r.change for r in self.records if r.change is not None])
        batch.changed_ids = [t.id for t in self.tracks]
        batch.has_triggered = any(
            t.status == "triggered" and (t.is_new or t.is_roused) for t in self.tracks
        )
        batch.has_settled = any(t.is_settled for t in self.tracks)
        return batch

    def _recorded(self, outcomes: Sequence[Outcome]) -> list[DeliveryRecord]:
        """Each delivery with what became of its events."""
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
        return list(records.values())

    def _look_up(self, received: list[Received]) -> None:
        keys = {(r.service_id, r.event.dedup_key) for r in received}
        locked = sql.lock_open_incidents(keys, self.storms.storm_ids)
        self.open = {(t.service_id, t.dedup_key): t for t in locked if not t.is_storm}
        self.storms.look_up([t for t in locked if t.is_storm], keys)
        timed = {
            (r.service_id, r.event.dedup_key)
            for r in received
            if r.event.action == "trigger" and r.event.occurred_at is not None
        }
        self.resolved_early = sql.early_resolves(timed - self.open.keys(), self.now)
        self.past = past_openings(self._keys_to_open(received), self.services, self.now)
        self.storms.count(self.past)

    def _keys_to_open(self, received: list[Received]) -> set[Key]:
        """Keys that nothing is open for, or that resolve and trigger again in this batch."""
        keys: dict[str, set[Key]] = {"trigger": set(), "resolve": set(), "acknowledge": set()}
        for one in received:
            keys[one.event.action].add((one.service_id, one.event.dedup_key))
        closed = {k for k in keys["trigger"] - self.open.keys() if not self.storms.holder_of(k)}
        return closed | (keys["trigger"] & keys["resolve"])

    def _take(self, received: Received) -> Outcome:
        event = received.event
        key = (received.service_id, event.dedup_key)
        track = self.open.get(key)
        if track is None and (storm := self.storms.holder_of(key)) is not None:
            return self._take_folded(received, storm)
        if track is not None and event.action == "resolve":
            self._resolve_folded(key)
        decision = decide(
            event,
            status=track.status if track else None,
            resolved_at=self.resolved_early.get(key),
        )
        if track is None and decision.status is not None:
            track = self._fresh_track(received)
            if decision.status == "triggered":
                if self.storms.must_fold(received.service_id):
                    return self._fold(received, track)
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
        present = received.integration_id if received.integration_id in self.keys else None
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
            apply_routing(track, received.routing, self.policies)
        maintenance = self.services[track.service_id].maintenance
        if maintenance is not None and track.status == "triggered":
            track.status, track.suppressed_until = "suppressed", maintenance.until
        return track

    def _open(self, track: Track, received: Received, decision: Decision) -> None:
        self.tracks.append(track)
        kind = TimelineEntry.Kind
        self._tell(track, received, kind.TRIGGERED, "Triggered")
        routing = received.routing
        if routing is not None and (said := describe_routing(track, routing, self.policies)):
            self.entries.append(EntryRow(track, str(kind.ROUTED), said, received.sender))
        self._tell_maintenance(track)
        key, facts = (track.service_id, track.dedup_key), self.services[track.service_id]
        openings = self.past.of_keys.get(key, 0)
        self.past.of_keys[key] = openings + 1
        if decision.result == "triggered" and 0 < facts.flapping_openings <= openings:
            track.is_flapping = True
            self.entries.append(EntryRow(track, str(kind.FLAPPING), flapping.marked(facts), ""))

    def _tell_maintenance(self, track: Track) -> None:
        maintenance = self.services[track.service_id].maintenance
        if maintenance is not None and track.suppressed_until is not None:
            kind = str(TimelineEntry.Kind.MAINTENANCE)
            self.entries.append(EntryRow(track, kind, maintenance.told(self.now), ""))

    def _fold(self, received: Received, fresh: Track) -> Outcome:
        """Let an alert join the storm instead of opening an incident."""
        storm = self.storms.fold(fresh, received.event)
        if storm.is_new and not storm.is_touched:
            kind = str(TimelineEntry.Kind.TRIGGERED)
            self.entries.append(EntryRow(storm, kind, f"Triggered. {storm.description}", ""))
            self._tell_maintenance(storm)
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
                self.storms.resolve((received.service_id, event.dedup_key))
                self._keep_alert(received, storm)
                self._touch(storm)
                return Outcome(event.dedup_key, "resolved", "", storm, storm.status)
            case _:
                assert_never(event.action)

    def _resolve_folded(self, key: Key) -> None:
        """A key may be open by itself and in a storm: two processes met the flood at once."""
        if (storm := self.storms.holder_of(key)) is not None:
            self.storms.resolve(key)
            self._touch(storm)

    def _join_storm(self, received: Received, storm: Track, result: Result, what: str) -> Outcome:
        if self._shows_joined(storm):
            self._tell(storm, received, TimelineEntry.Kind.ALERT, what)
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
        kind = TimelineEntry.Kind
        if decision.result == "resolved" and track.is_flapping:
            return self._keep_open(received, track)
        match decision.result:
            case "deduplicated":
                if self._shows_joined(track):
                    self._tell(track, received, kind.ALERT, "Alert joined")
            case "acknowledged" if track.status != "acknowledged":
                track.acknowledged_at = track.acknowledged_at or self.now
                track.is_settled = True
                self._tell(track, received, kind.ACKNOWLEDGED, "Acknowledged")
            case "resolved":
                if flapping.counts(track, self.services[track.service_id], self.now):
                    key = (track.service_id, track.dedup_key)
                    self.past.of_keys[key] = self.past.of_keys.get(key, 0) + 1
                track.resolved_at = self.now
                track.is_settled = True
                self._tell(track, received, kind.RESOLVED, "Resolved")
        track.status = decision.status or track.status
        if received.event.action == "trigger":
            track.new_alerts += 1
            track.last_alert_at = self.now
            track.quiet_since = None
        if track.status == "resolved":
            self.open.pop((track.service_id, track.dedup_key), None)
        else:
            self.open[(track.service_id, track.dedup_key)] = track
        return ""

    def _keep_open(self, received: Received, track: Track) -> str:
        """A flapping incident outlives a resolve; a sweep resolves it when it has been quiet."""
        track.quiet_since = self.now
        if self._shows_joined(track):
            self._tell(track, received, TimelineEntry.Kind.FLAPPING, "Resolve noted, sent")
        return flapping.kept_open(self.services[track.service_id])

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


def _beat(received: Received, now: datetime) -> Beat:
    has_failed = received.event.action == "trigger"
    return Beat(received.integration_id or 0, received.received_at or now, has_failed)


def _gone(received: Received) -> Outcome:
    message = "This key is unknown or disabled. Copy the key from the service's page."
    return Outcome(received.event.dedup_key, error=KeyGone(message))
