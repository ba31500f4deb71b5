"""Acknowledge and resolve many at once."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents.models import Incident
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from tests.factories import IncidentFactory, UserFactory


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("act", "status"),
    [(acknowledge_incidents, "acknowledged"), (resolve_incidents, "resolved")],
)
def test_many_cost_as_many_queries_as_one(act: Callable[..., list[Incident]], status: str):
    actor = UserFactory()
    counts = []
    for size in (1, 10):
        ids = [IncidentFactory(escalate_at=timezone.now()).pk for _ in range(size)]
        with CaptureQueriesContext(connection) as captured:
            changed = act(incident_ids=ids, actor=actor)
        counts.append(len(captured))

    assert [incident.status for incident in changed] == [status] * 10
    assert all(incident.escalate_at is None for incident in changed)
    assert counts[0] == counts[1]


@pytest.mark.django_db
def test_the_second_time_changes_nothing():
    incident = IncidentFactory(escalate_at=timezone.now())
    acknowledge_incidents(incident_ids=[incident.pk], actor=None)

    assert acknowledge_incidents(incident_ids=[incident.pk], actor=None) == []
    assert incident.timeline.filter(kind="acknowledged").count() == 1
