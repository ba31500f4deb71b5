"""What a batch must know before it decides: looked up and locked, in two or three round trips."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from incidents.intake.beats import Beat, last_beats
from incidents.services import intake_sql as sql
from incidents.services.beat_records import record_beats
from incidents.services.delivery_records import DeliveryRecord
from incidents.services.intake_routing import policies_of
from incidents.services.intake_sql import Track
from incidents.services.past_openings import Key, PastOpenings, past_openings, read_openings
from incidents.services.received import Received
from incidents.services.service_facts import ServiceFacts, read_facts, service_facts
from incidents.services.statements import Rows, run_all
from incidents.services.storms import Storms


class Known:
    """What the database says of the events of one batch."""

    def __init__(
        self, received: Sequence[Received], records: Sequence[DeliveryRecord], now: datetime
    ) -> None:
        self._received = received
        self._now = now
        self._ids: Rows = []  # for new incidents
        self.keys: dict[int | None, str | None] = {}
        self.policies: dict[int, str] = {}  # names, of those that routes chose
        self.services: dict[int, ServiceFacts] = {}
        self.storms = Storms({}, now)
        self.past = PastOpenings()
        self.open: dict[Key, Track] = {}
        self.resolved_early: dict[Key, datetime] = {}
        self._read(records)

    def is_usable(self, received: Received) -> bool:
        """Whether the service and the integration are there, and the key is still right."""
        return received.service_id in self.services and _opens(received, self.keys)

    def number(self, tracks: Sequence[Track]) -> None:
        """Give the new incidents their ids."""
        if len(tracks) > len(self._ids):
            [more] = run_all([sql.next_ids(len(tracks) - len(self._ids))])
            self._ids += more
        for track, (number,) in zip(tracks, self._ids, strict=False):
            track.id = number

    def _read(self, records: Sequence[DeliveryRecord]) -> None:
        ours = self._received
        questions = [
            sql.present_keys(
                {r.integration_id for r in ours} | {r.integration_id for r in records}
            ),
            service_facts({r.service_id for r in ours}),
            policies_of(r.routing for r in ours),
        ]
        lock = sql.lock_open_incidents({(r.service_id, r.event.dedup_key) for r in ours})
        has_beats = any(r.is_beat for r in ours)
        present, facts, policies, *rest = run_all(questions if has_beats else [*questions, lock])
        self.keys, self.services, self.policies = dict(present), read_facts(facts), dict(policies)
        taken = [r for r in ours if self.is_usable(r)]
        if has_beats:  # noted first: the sweep locks in this order, too
            record_beats(last_beats(_beat(r, self._now) for r in taken if r.is_beat))
            rest = run_all([lock])
        self._look_up(taken, sql.read_tracks(rest[0]))

    def _look_up(self, received: list[Received], locked: list[Track]) -> None:
        keys = {(r.service_id, r.event.dedup_key) for r in received}
        self.open = {(t.service_id, t.dedup_key): t for t in locked if not t.is_storm}
        self.storms = Storms(self.services, self._now)
        self.storms.look_up([t for t in locked if t.is_storm], keys)
        timed = {
            (r.service_id, r.event.dedup_key)
            for r in received
            if r.event.action == "trigger" and r.event.occurred_at is not None
        }
        to_open = self._keys_to_open(received)
        resolves, openings, self._ids = run_all(
            [
                sql.early_resolves(timed - self.open.keys(), self._now),
                past_openings(to_open, self.services, self._now),
                # In a storm most of them are folded, and numbers would be wasted.
                sql.next_ids(0 if self.storms.open else len(to_open)),
            ]
        )
        self.resolved_early = {(row[0], row[1]): row[2] for row in resolves}
        self.past = read_openings(openings)
        self.storms.count(self.past)

    def _keys_to_open(self, received: list[Received]) -> set[Key]:
        """Keys that nothing is open for, or that resolve and trigger again in this batch."""
        keys: dict[str, set[Key]] = {"trigger": set(), "resolve": set(), "acknowledge": set()}
        for one in received:
            keys[one.event.action].add((one.service_id, one.event.dedup_key))
        closed = {k for k in keys["trigger"] - self.open.keys() if not self.storms.holder_of(k)}
        return closed | (keys["trigger"] & keys["resolve"])


def _opens(received: Received, keys: Mapping[int | None, str | None]) -> bool:
    if received.integration_id is None or received.received_at is not None:
        return True
    present = keys.get(received.integration_id)
    return present is not None and received.key in ("", present)


def _beat(received: Received, now: datetime) -> Beat:
    has_failed = received.event.action == "trigger"
    return Beat(received.integration_id or 0, received.received_at or now, has_failed)
