"""Heartbeats: what is expected of them, and how they are."""

from typing import Any

import pytest

from incidents.models import Heartbeat, Integration, Service
from opsknight.models import AuditEntry
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import IntegrationFactory


@pytest.fixture
def backup(bob: Asker, service: Service) -> Integration:
    body = {"service": service.pk, "kind": "heartbeat", "name": "Nightly backup"}
    return Integration.objects.get(pk=bob.post("integrations", body).json()["id"])


def test_a_new_heartbeat_waits_for_its_first_beat(bob: Asker, backup: Integration) -> None:
    answered = bob.get(f"heartbeats/{backup.pk}").json()

    assert answered.pop("due_at") is not None
    assert answered == {
        "integration": backup.pk,
        "state": "waiting",
        "interval_seconds": 3600,
        "grace_seconds": 300,
        "expects_first": True,
        "last_beat_at": None,
        "missed_at": None,
        "failed_at": None,
    }


def test_settings_are_changed_and_audited(bob: Asker, backup: Integration) -> None:
    response = bob.patch(
        f"heartbeats/{backup.pk}", {"interval_seconds": 600, "expects_first": False}
    )

    heartbeat = Heartbeat.objects.get(integration=backup)
    entry = AuditEntry.objects.get(action="heartbeat.updated")
    assert response.json()["interval_seconds"] == 600
    assert response.json()["due_at"] is None
    assert (heartbeat.interval_seconds, heartbeat.expects_first) == (600, False)
    assert (entry.actor, entry.entity_label) == (bob.user, "Heartbeat of Nightly backup")
    assert entry.changes == {"interval_seconds": [3600, 600], "expects_first": [True, False]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"interval_seconds": 59}, "interval_seconds"),
        ({"interval_seconds": 31 * 24 * 3600 + 1}, "interval_seconds"),
        ({"interval_seconds": None}, "interval_seconds"),
        ({"interval_seconds": "often"}, "interval_seconds"),
        ({"interval_seconds": 10**30}, "interval_seconds"),
        ({"grace_seconds": -1}, "grace_seconds"),
        ({"grace_seconds": 31 * 24 * 3600 + 1}, "grace_seconds"),
        ({"expects_first": "perhaps"}, "expects_first"),
    ],
)
def test_wrong_settings_name_their_field(
    bob: Asker, backup: Integration, body: dict[str, Any], field: str
) -> None:
    response = bob.patch(f"heartbeats/{backup.pk}", body)

    assert set(fields_of(response)) == {field}
    assert Heartbeat.objects.get(integration=backup).interval_seconds == 3600


def test_what_the_database_knows_cannot_be_set(bob: Asker, backup: Integration) -> None:
    bob.patch(f"heartbeats/{backup.pk}", {"last_beat_at": "2026-01-01T00:00:00Z", "state": "late"})

    assert Heartbeat.objects.get(integration=backup).last_beat_at is None


def test_an_integration_of_another_kind_is_no_heartbeat(bob: Asker) -> None:
    response = bob.get(f"heartbeats/{IntegrationFactory(kind='webhook').pk}")

    assert (response.status_code, code_of(response)) == (404, "not_found")
