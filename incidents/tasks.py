"""Sweeps of this app. Celery Beat sends them (`config/celery.py`)."""

from celery import shared_task
from django.utils import timezone

from incidents.services import heartbeats, maintenance_effects, retention, storm_sweep


@shared_task(name="incidents.tasks.open_missed_heartbeats")
def open_missed_heartbeats() -> None:
    """Open an incident for each missed beat.

    Safe to run twice because rows are claimed with SKIP LOCKED, and what is due is cleared in the
    transaction that opens its incident.
    """
    heartbeats.open_missed_heartbeats()


@shared_task(name="incidents.tasks.follow_maintenance")
def follow_maintenance() -> None:
    """Hold escalations where maintenance has begun, and let incidents page where it is over.

    Safe to run twice because incidents are claimed with SKIP LOCKED, and one that was held or
    released is not found again.
    """
    maintenance_effects.follow_maintenance()


@shared_task(name="incidents.tasks.resolve_quiet")
def resolve_quiet() -> None:
    """Resolve storms whose alerts are all over, and flapping incidents that have been quiet.

    Safe to run twice because incidents are claimed with SKIP LOCKED, and what is resolved stays so.
    """
    storm_sweep.resolve_quiet()


@shared_task(name="incidents.tasks.prune_deliveries")
def prune_deliveries() -> None:
    """Delete deliveries that are too old or too many.

    Safe to run twice because rows are claimed with SKIP LOCKED, and what is deleted stays so.
    """
    retention.prune_deliveries(now=timezone.now())
