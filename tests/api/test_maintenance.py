"""Maintenance windows over REST."""

from typing import Any

import pytest

from incidents.models import Incident, MaintenanceWindow, Service
from opsknight.models import AuditEntry
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import MaintenanceWindowFactory, ServiceFactory
from tests.incidents.storms import send

PLAN = {
    "reason": "Upgrade",
    "starts_at": "2190-03-02T01:00:00Z",
    "ends_at": "2190-03-02T03:00:00Z",
    "repeat": "weekly",
    "time_zone": "Europe/Vienna",
}


def test_window_is_planned(carol: Asker, service: Service) -> None:
    response = carol.post("maintenance-windows", PLAN | {"service": service.pk})

    window = response.json()
    assert response.status_code == 201
    assert (window["service_name"], window["reason"]) == ("Checkout", "Upgrade")
    assert window["occurrence"] == {
        "starts_at": "2190-03-02T01:00:00Z",
        "ends_at": "2190-03-02T03:00:00Z",
    }
    assert (window["created_by"], window["ended_at"]) == (carol.user.pk, None)
    assert AuditEntry.objects.get(action="maintenance.scheduled").actor == carol.user


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ends_at": "2190-03-02T00:00:00Z"}, "ends_at"),
        ({"ends_at": "2190-03-02T01:00:00Z"}, "ends_at"),
        ({"ends_at": "2190-03-12T01:00:00Z"}, "ends_at"),
        (
            {
                "starts_at": "2001-01-01T00:00:00Z",
                "ends_at": "2001-01-01T01:00:00Z",
                "repeat": "never",
            },
            "ends_at",
        ),
        ({"ends_at": "soon"}, "ends_at"),
        ({"starts_at": "0001-01-01T00:00:00Z"}, "starts_at"),
        ({"ends_at": "9999-12-31T23:59:59Z"}, "ends_at"),
        ({"repeat_until": "9999-12-31T23:59:59Z"}, "repeat_until"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"repeat": "hourly"}, "repeat"),
        ({"reason": ""}, "reason"),
        ({"repeat_until": "2190-01-01T00:00:00Z"}, "repeat_until"),
        ({"service": 999}, "service"),
    ],
)
def test_wrong_window_is_refused_with_its_field(
    bob: Asker, service: Service, changes: dict[str, Any], field: str
) -> None:
    response = bob.post("maintenance-windows", PLAN | {"service": service.pk} | changes)

    assert list(fields_of(response)) == [field]
    assert not MaintenanceWindow.objects.exists()


def test_ending_releases_what_was_held(carol: Asker, service: Service) -> None:
    window = MaintenanceWindowFactory(service=service)
    send(service, "disk")

    response = carol.post(f"maintenance-windows/{window.pk}/end")

    assert response.status_code == 200
    assert response.json()["ended_at"] is not None
    assert response.json()["occurrence"] is None
    assert Incident.objects.get().status == "triggered"
    again = carol.post(f"maintenance-windows/{window.pk}/end")
    assert (again.status_code, code_of(again)) == (409, "conflict")


def test_windows_are_listed_by_service_and_by_whether_they_are_over(
    eve: Asker, service: Service
) -> None:
    ours, other = MaintenanceWindowFactory(service=service), MaintenanceWindowFactory()
    over = MaintenanceWindowFactory(service=service, ended_at="2026-01-01T00:00:00Z")

    def ids(**query: Any) -> set[int]:
        return {row["id"] for row in eve.get("maintenance-windows", **query).json()["results"]}

    assert ids() == {ours.pk, other.pk, over.pk}
    assert ids(service=service.pk) == {ours.pk, over.pk}
    assert ids(service=service.pk, over="false") == {ours.pk}
    assert ids(over="true") == {over.pk}
    assert ids(service=ServiceFactory().pk) == set()


def test_limits_of_a_service_are_read_and_set(carol: Asker, service: Service) -> None:
    changed = {"storm_threshold": 0, "flapping_openings": 9, "flapping_minutes": 60}

    response = carol.patch(f"services/{service.pk}", changed)

    assert response.status_code == 200
    assert {name: response.json()[name] for name in changed} == changed


@pytest.mark.parametrize(
    ("field", "value"),
    [("storm_threshold", 10_001), ("flapping_openings", -1), ("flapping_minutes", 0)],
)
def test_limit_out_of_range_is_refused(
    carol: Asker, service: Service, field: str, value: int
) -> None:
    response = carol.patch(f"services/{service.pk}", {field: value})

    assert list(fields_of(response)) == [field]
