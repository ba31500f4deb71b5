"""How many events the door stores durably, with 64 connections and the load on the same machine."""

import json
import os
from collections.abc import Iterator

import psutil
import psycopg

from bench.figures import Figure, percentile
from bench.load import Body, Load
from bench.stack import DoorStack, door_stack

CONNECTIONS = 64
SECONDS = 10.0
BATCH = 100
MILLION = 1_000_000
SOAK_SECONDS = float(os.environ.get("BENCH_SOAK_SECONDS", "600"))
# Without the limits that would hide how fast the door is: a storm would fold into one incident.
MAKE_KEY = """
from incidents.models import Integration, Service
service, _ = Service.objects.get_or_create(name="Bench", defaults={"storm_threshold": 0})
print(Integration.objects.create(service=service, name="Bench", kind="events", rate_limit=0).key)
"""
# Resolved long ago, as most of a large history is, with one alert and one delivery each.
FILL = """
INSERT INTO incidents_incident (service_id, title, description, status, urgency, dedup_key,
  alert_count, last_alert_at, acknowledged_at, resolved_at, visibility, version, is_storm,
  is_flapping, created_at, updated_at)
SELECT s.id, 'Disk full on ' || n, '', 'resolved', 'high', 'old-' || n, 1, at, at, at, 'public', 1,
  false, false, at, at
FROM incidents_service s, generate_series(1, %(many)s) n,
  LATERAL (SELECT now() - interval '1 day' - n * interval '1 second' AS at) t;
INSERT INTO incidents_alert (service_id, integration_id, incident_id, action, dedup_key, summary,
  source, severity, details, links, received_at)
SELECT i.service_id, g.id, i.id, 'trigger', i.dedup_key, i.title, 'db-1', 'critical', '{}', '[]',
  i.created_at
FROM incidents_incident i, incidents_integration g;
INSERT INTO incidents_delivery (id, integration_id, kind, via, received_at, headers, query, body,
  verdict, reason, signature, results, was_spooled)
SELECT gen_random_uuid(), g.id, 'events', 'http', now(), '{}', '{}', 'x', 'accepted', '', '', '[]',
  false
FROM incidents_integration g, generate_series(1, %(many)s / 10);
"""


def run() -> Iterator[Figure]:
    """New incidents, the same key again and again, and batches."""
    with door_stack() as stack:
        key = make_key(stack)
        new = measure(stack, key, lambda n: event(f"new-{n}"))
        yield Figure("intake.events_per_s", len(new.latencies) / SECONDS, "events/s")
        yield Figure("intake.p99_ms", percentile(new.latencies, 0.99) * 1000, "ms")
        same = measure(stack, key, lambda n: event(f"same-{n % 100}"))
        yield Figure("intake.dedup_per_s", len(same.latencies) / SECONDS, "events/s")
        many = measure(stack, key, batch)
        rate = len(many.latencies) * BATCH / SECONDS
        yield Figure("intake.batch_events_per_s", rate, "events/s")


def run_full() -> Iterator[Figure]:
    """The same with a million incidents stored; the share of the empty database's throughput."""
    with door_stack() as stack:
        key = make_key(stack)
        empty = len(measure(stack, key, lambda n: event(f"empty-{n}")).latencies)
        with psycopg.connect(stack.postgres.url, autocommit=True) as connection:
            for statement in FILL.split(";\n")[:3]:
                connection.execute(statement, {"many": MILLION})
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
        full = len(measure(stack, key, lambda n: event(f"full-{n}")).latencies)
        yield Figure("intake.full_events_per_s", full / SECONDS, "events/s")
        yield Figure("intake.full_share", full / empty, "of an empty database")


def run_soak() -> Iterator[Figure]:
    """Ten minutes of load (BENCH_SOAK_SECONDS); how much the web processes' memory grew.

    Measured from the end of the first tenth, when caches are warm, to the end.
    """
    with door_stack() as stack:
        key = make_key(stack)
        measure(stack, key, lambda n: event(f"first-{n}"), SOAK_SECONDS / 10)
        before = memory(stack)
        soaked = measure(stack, key, lambda n: event(f"soak-{n}"), SOAK_SECONDS * 9 / 10)
        yield Figure("intake.soak_events", len(soaked.latencies), "events")
        yield Figure("intake.soak_p99_ms", percentile(soaked.latencies, 0.99) * 1000, "ms")
        yield Figure("intake.soak_rss_mb", memory(stack), "MB")
        yield Figure("intake.soak_growth_mb", memory(stack) - before, "MB")


def make_key(stack: DoorStack) -> str:
    """An integration whose service has no limits, and a warm door."""
    key = stack.manage("shell", "-v0", "-c", MAKE_KEY)
    measure(stack, key, lambda n: event(f"warm-{n}"), seconds=2)
    return key


def memory(stack: DoorStack) -> float:
    """Resident memory of the web processes, in MB."""
    return sum(psutil.Process(web.pid).memory_info().rss for web in stack.webs) / 1e6


def measure(stack: DoorStack, key: str, body: Body, seconds: float = SECONDS) -> Load:
    """Run one load; every answer must say 202."""
    load = Load(
        host="127.0.0.1",
        port=stack.port,
        path="/api/events",
        headers={"Authorization": f"Token token={key}"},
        body=body,
        connections=CONNECTIONS,
        seconds=seconds,
    )
    load.run()
    if set(load.statuses) != {202}:
        raise RuntimeError(f"The door answered {load.statuses}")
    return load


def batch(number: int) -> bytes:
    """A list of new events."""
    events = [event(f"batch-{number}-{n}") for n in range(BATCH)]
    return b"[" + b",".join(events) + b"]"


PAYLOAD = {
    "summary": "Disk full on KEY",
    "source": "db-1.example.com",
    "severity": "critical",
    "custom_details": {"free": "1%", "device": "/dev/sda1", "runbook": "https://wiki.example"},
}
EVENT = json.dumps({"event_action": "trigger", "dedup_key": "KEY", "payload": PAYLOAD}).encode()


def event(dedup_key: str) -> bytes:
    """A body of a usual size."""
    return EVENT.replace(b"KEY", dedup_key.encode())
