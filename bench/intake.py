"""How many events the door stores durably, with 64 connections and the load on the same machine."""

import json
from collections.abc import Iterator

from bench.figures import Figure, percentile
from bench.load import Body, Load
from bench.stack import Stack, door_stack

CONNECTIONS = 64
SECONDS = 10.0
MAKE_KEY = """
from incidents.models import Integration, Service
service, _ = Service.objects.get_or_create(name="Bench", defaults={"storm_threshold": 0})
print(Integration.objects.create(service=service, name="Bench", kind="events").key)
"""


def run() -> Iterator[Figure]:
    """New incidents, then the same key again and again."""
    with door_stack() as stack:
        key = stack.manage("shell", "-v0", "-c", MAKE_KEY)
        measure(stack, key, lambda n: event(f"warm-{n}"), seconds=2)
        new = measure(stack, key, lambda n: event(f"new-{n}"))
        yield Figure("intake.events_per_s", len(new.latencies) / SECONDS, "events/s")
        yield Figure("intake.p99_ms", percentile(new.latencies, 0.99) * 1000, "ms")
        same = measure(stack, key, lambda n: event(f"same-{n % 100}"))
        yield Figure("intake.dedup_per_s", len(same.latencies) / SECONDS, "events/s")


def measure(stack: Stack, key: str, body: Body, seconds: float = SECONDS) -> Load:
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


def event(dedup_key: str) -> bytes:
    """A body of a usual size."""
    payload = {
        "summary": f"Disk full on {dedup_key}",
        "source": "db-1.example.com",
        "severity": "critical",
        "custom_details": {"free": "1%", "device": "/dev/sda1", "runbook": "https://wiki.example"},
    }
    return json.dumps(
        {"event_action": "trigger", "dedup_key": dedup_key, "payload": payload}
    ).encode()
