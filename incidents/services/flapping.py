"""Keys that open and resolve again and again: what is said of them.

A key that opened more often than its service allows is marked. Its incident pages like any other,
once, and stays open through further resolves until it has been quiet (`storm_sweep`).
"""

from datetime import datetime, timedelta

from incidents.services.intake_sql import Track
from incidents.services.service_facts import ServiceFacts


def marked(facts: ServiceFacts) -> str:
    """For the timeline of the incident that is marked."""
    return (
        f"Flapping: opened more than {facts.flapping_openings} times in {facts.flapping_minutes} "
        f"min. It stays open until it has been resolved for {facts.flapping_minutes} min."
    )


def counts(track: Track, facts: ServiceFacts, now: datetime) -> bool:
    """Whether an incident that was open before the batch and resolves in it is a past opening."""
    period = timedelta(minutes=facts.flapping_minutes)
    return track.created_at is not None and track.created_at > now - period


def kept_open(facts: ServiceFacts) -> str:
    """For the sender of a resolve that does not close the incident."""
    return (
        "The key is flapping: the incident stays open until it has been resolved for "
        f"{facts.flapping_minutes} min."
    )
