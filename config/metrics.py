"""Figures for Prometheus: is the engine alive, is anything late.

All of them are read from the database, breakers from Redis, when they are asked for, so every web
process gives the same answer and none counts by itself. Without `OPSKNIGHT_METRICS_TOKEN` the
address does not exist.
"""

import logging
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from config.celery import QUEUES
from notifications.breakers import breaker_states
from notifications.flow import channel_flows
from notifications.workers import presence

logger = logging.getLogger(__name__)

# One row, whatever is there: ages and waits in seconds by the database's clock, null for never.
_ENGINE = """
SELECT
  (SELECT extract(epoch FROM statement_timestamp() - at) FROM escalations_enginepass),
  COALESCE((SELECT steps_total FROM escalations_enginepass), 0),
  (SELECT extract(epoch FROM statement_timestamp() - at) FROM escalations_engineaudit),
  COALESCE((SELECT overdue FROM escalations_engineaudit), 0),
  COALESCE((SELECT repaired FROM escalations_engineaudit), 0),
  COALESCE((SELECT repaired_total FROM escalations_engineaudit), 0),
  (SELECT extract(epoch FROM statement_timestamp() - heartbeat_at) FROM escalations_engineaudit),
  (SELECT count(*) FROM incidents_incident WHERE escalate_at <= statement_timestamp()),
  COALESCE((SELECT extract(epoch FROM statement_timestamp() - min(escalate_at))
    FROM incidents_incident WHERE escalate_at <= statement_timestamp()), 0)
"""
_OPEN_INCIDENTS = """
SELECT status, count(*) FROM incidents_incident WHERE status <> 'resolved' GROUP BY status
"""
_STATUSES = ("triggered", "acknowledged", "snoozed", "suppressed")

# Name, kind and what it says, in the order of the columns of _ENGINE.
_FIGURES = (
    ("engine_pass_age_seconds", "gauge", "Seconds since the engine's last pass."),
    ("engine_steps", "counter", "Steps that the engine took."),
    ("engine_audit_age_seconds", "gauge", "Seconds since the engine was last looked after."),
    ("engine_overdue_incidents", "gauge", "Incidents that were minutes late at that time."),
    ("engine_repaired_incidents", "gauge", "Incidents that had stood still at that time."),
    ("engine_repairs", "counter", "Incidents that had stood still, ever."),
    ("heartbeat_age_seconds", "gauge", "Seconds since the outward heartbeat was last taken."),
    ("engine_due_incidents", "gauge", "Incidents whose step is due now."),
    ("engine_oldest_due_seconds", "gauge", "How long the oldest of them has been due."),
)


class Facts(Collector):
    """Reads the figures; 4 queries."""

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance: what is registered is read once, and at once."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Each figure with its values."""
        (row,) = _fetch(_ENGINE)
        for (name, kind, text), value in zip(_FIGURES, row, strict=True):
            if value is not None:
                yield _one(f"opsknight_{name}", kind, text, float(value))
        yield _by_label("opsknight_open_incidents", "Open incidents.", "status", _open_incidents())
        yield from _outbox()
        yield from _breakers()
        yield from _workers()


def _one(name: str, kind: str, text: str, value: float) -> Metric:
    build = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    metric: Metric = build(name, text, value=value)
    return metric


def _by_label(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    metric = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric


def _open_incidents() -> dict[str, float]:
    return dict.fromkeys(_STATUSES, 0) | {key: float(n) for key, n in _fetch(_OPEN_INCIDENTS)}


def _outbox() -> Iterator[Metric]:
    flows = channel_flows()
    for name, text, values in (
        ("due_pages", "Pages that wait for a worker.", {f.channel: f.due for f in flows}),
        ("later_pages", "Pages whose time is to come.", {f.channel: f.later for f in flows}),
        ("sending_pages", "Pages in a worker's hands.", {f.channel: f.sending for f in flows}),
        (
            "oldest_due_seconds",
            "How long the oldest page has waited for a worker.",
            {f.channel: f.oldest_due_seconds for f in flows},
        ),
        (
            "sent_last_minute",
            "Calls of the last minute that a provider took.",
            {f.channel: f.sent_last_minute for f in flows},
        ),
        (
            "failed_last_minute",
            "Calls of the last minute that failed.",
            {f.channel: f.failed_last_minute for f in flows},
        ),
    ):
        yield _by_label(f"opsknight_outbox_{name}", text, "channel", values)
    waiting = GaugeMetricFamily(
        "opsknight_outbox_waiting_pages",
        "Pages that wait, and for what.",
        labels=["channel", "for"],
    )
    for flow in flows:
        for wait, count in flow.waiting.items():
            waiting.add_metric([flow.channel, wait], count)
    yield waiting


def _breakers() -> Iterator[Metric]:
    """Nothing while Redis is away."""
    metric = GaugeMetricFamily(
        "opsknight_breaker_open",
        "1 while a provider, or the host of a webhook, is left alone.",
        labels=["provider", "channel"],
    )
    for found in breaker_states() or []:
        is_open = found.state != "closed"
        metric.add_metric([found.guard.name, found.guard.channel], float(is_open))
    yield metric


def _workers() -> Iterator[Metric]:
    """Nothing while Redis is away."""
    found = presence(QUEUES)
    if found is not None:
        served = {queue: float(queue not in found.unserved) for queue in QUEUES}
        yield _by_label("opsknight_queue_served", "1 while a worker serves it.", "queue", served)


def _fetch(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures as text, for whoever brings the token; 503 while the database is away."""
    if not settings.METRICS_TOKEN:
        return HttpResponse("There is nothing at this address.\n", "text/plain", 404)
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    is_right = secrets.compare_digest(given.strip().encode(), settings.METRICS_TOKEN.encode())
    if kind.lower() != "bearer" or not is_right:
        answer = HttpResponse("Send the header: Authorization: Bearer <token>\n", "text/plain", 401)
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    registry = CollectorRegistry()
    try:
        registry.register(Facts())
        text = generate_latest(registry)
    except DatabaseError as error:
        logger.warning("Metrics: the database does not answer: %s", error)
        return HttpResponse("The database does not answer.\n", "text/plain", 503)
    return HttpResponse(text, CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})
