"""Maintenance on the pages: start, plan, end; who may, and what a wrong form says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from incidents.models import Incident, MaintenanceWindow, Service
from opsknight.models import AuditEntry, User
from tests.incidents.cast import browser
from tests.incidents.storms import send

HOUR = timedelta(hours=1)


def url(name: str, pk: int) -> str:
    return reverse(f"incidents:maintenance_{name}", args=[pk])


def holding(service: Service, **fields: Any) -> MaintenanceWindow:
    now = timezone.now()
    values = {"reason": "New disks", "starts_at": now - HOUR, "ends_at": now + HOUR} | fields
    return MaintenanceWindow.objects.create(service=service, **values)


@pytest.mark.parametrize("minutes", ["30", "60", "120"])
def test_team_starts_maintenance_with_one_button(
    carol: User, checkout: Service, minutes: str
) -> None:
    client = browser(carol)

    client.post(url("start", checkout.pk), {"reason": "New disks", "minutes": minutes})

    window = MaintenanceWindow.objects.get()
    page = client.get(reverse("incidents:service", args=[checkout.pk])).content.decode()
    assert window.ends_at - window.starts_at == timedelta(minutes=int(minutes))
    assert window.created_by == carol
    assert "In maintenance until" in page
    assert "New disks" in page
    assert f'value="{minutes}"' in page
    assert AuditEntry.objects.get(action="maintenance.scheduled").actor == carol


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"reason": "", "minutes": "30"}, "reason"),
        ({"reason": "x" * 201, "minutes": "30"}, "reason"),
        ({"reason": "Disks", "minutes": "0"}, "minutes"),
        ({"reason": "Disks", "minutes": "129601"}, "minutes"),
        ({"reason": "Disks", "minutes": "soon"}, "minutes"),
    ],
)
def test_wrong_start_is_named(
    carol: User, checkout: Service, data: dict[str, str], field: str
) -> None:
    response = browser(carol).post(url("start", checkout.pk), data)

    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert not MaintenanceWindow.objects.exists()


PLAN = {
    "reason": "Upgrade",
    "starts_at": "2190-03-02T02:00",
    "ends_at": "2190-03-02T04:00",
    "time_zone": "Europe/Vienna",
    "repeat": "weekly",
    "repeat_until": "2190-06-01",
}


def test_window_is_planned_in_the_time_of_its_zone(bob: User, checkout: Service) -> None:
    response = browser(bob).post(url("plan", checkout.pk), PLAN)

    window = MaintenanceWindow.objects.get()
    assert response.status_code == 302
    assert window.starts_at == datetime(2190, 3, 2, 1, tzinfo=UTC)
    assert window.ends_at == datetime(2190, 3, 2, 3, tzinfo=UTC)
    assert window.repeat_until == datetime(2190, 6, 1, 21, 59, tzinfo=UTC)
    assert (window.repeat, window.time_zone) == ("weekly", "Europe/Vienna")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ends_at": "2190-03-02T01:00"}, "ends_at"),  # before the start
        ({"ends_at": "2190-03-02T02:00"}, "ends_at"),  # no length
        ({"ends_at": "2190-03-12T02:00"}, "ends_at"),  # longer than its week
        (
            {
                "starts_at": "2001-03-02T02:00",
                "ends_at": "2001-03-02T03:00",
                "repeat": "never",
                "repeat_until": "",
            },
            "ends_at",
        ),  # in the past
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"starts_at": "tomorrow"}, "starts_at"),
        ({"starts_at": "2190-03-02T02:00+01:00"}, "starts_at"),
        ({"starts_at": "9999-03-02T02:00"}, "starts_at"),
        ({"reason": ""}, "reason"),
        ({"repeat": "hourly"}, "repeat"),
        ({"repeat_until": "2190-02-01"}, "repeat_until"),
        (
            {"repeat_until": "9999-12-31", "time_zone": "America/New_York"},
            "repeat_until",
        ),
    ],
)
def test_wrong_plan_is_named(
    bob: User, checkout: Service, changes: dict[str, str], field: str
) -> None:
    response = browser(bob).post(url("plan", checkout.pk), PLAN | changes)

    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert not MaintenanceWindow.objects.exists()


def test_ending_releases_what_was_held(carol: User, checkout: Service) -> None:
    window = holding(checkout)
    send(checkout, "disk")

    response = browser(carol).post(url("end", window.pk))

    window.refresh_from_db()
    assert response.status_code == 302
    assert window.ended_at is not None
    assert Incident.objects.get().status == "triggered"


def test_ending_a_repeated_window_asks_first(carol: User, checkout: Service) -> None:
    window = holding(checkout, repeat="daily")

    page = browser(carol).get(url("end", window.pk)).content.decode()

    assert "it does not repeat any more" in page
    assert MaintenanceWindow.objects.get().ended_at is None


def test_ending_twice_is_a_conflict(carol: User, checkout: Service) -> None:
    window = holding(checkout)
    client = browser(carol)
    client.post(url("end", window.pk))

    assert client.post(url("end", window.pk)).status_code == 409


@pytest.mark.parametrize("name", ["start", "plan", "end"])
def test_outsider_may_see_the_service_but_not_change_its_maintenance(
    eve: User, checkout: Service, name: str
) -> None:
    window = holding(checkout)
    pk = window.pk if name == "end" else checkout.pk

    response = browser(eve).post(url(name, pk), PLAN | {"minutes": "30"})

    assert response.status_code == 403
    assert MaintenanceWindow.objects.get().ended_at is None


def test_outsider_sees_that_a_service_is_in_maintenance_but_no_buttons(
    eve: User, checkout: Service
) -> None:
    holding(checkout)

    page = browser(eve).get(reverse("incidents:service", args=[checkout.pk])).content.decode()

    assert "In maintenance until" in page
    assert "End now" not in page
    assert "Start now" not in page


@pytest.mark.parametrize("name", ["start", "plan", "end"])
def test_unknown_service_or_window_is_not_found(bob: User, name: str) -> None:
    assert browser(bob).post(url(name, 999), PLAN).status_code == 404


def test_list_of_services_marks_those_in_maintenance(
    eve: User, checkout: Service, wiki: Service
) -> None:
    holding(checkout)

    page = browser(eve).get(reverse("incidents:services")).content.decode()

    assert page.count("Maintenance</span>") == page.count("Maintenance") == 1


def test_limits_of_a_service_are_set_on_its_form(carol: User, checkout: Service) -> None:
    data = {
        "name": "Checkout",
        "description": "",
        "team": str(checkout.team_id),
        "escalation_policy": "",
        "storm_threshold": "0",
        "flapping_openings": "7",
        "flapping_minutes": "",
    }

    browser(carol).post(reverse("incidents:service_edit", args=[checkout.pk]), data)

    checkout.refresh_from_db()
    assert (checkout.storm_threshold, checkout.flapping_openings) == (0, 7)
    assert checkout.flapping_minutes == 30  # left empty: as it was
    assert AuditEntry.objects.get(action="service.updated").changes == {
        "storm_threshold": [60, 0],
        "flapping_openings": [5, 7],
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("storm_threshold", "10001"),
        ("storm_threshold", "-1"),
        ("flapping_openings", "1001"),
        ("flapping_minutes", "0"),
        ("flapping_minutes", "1441"),
    ],
)
def test_limit_out_of_range_is_named(
    carol: User, checkout: Service, field: str, value: str
) -> None:
    data = {"name": "Checkout", "description": "", "team": str(checkout.team_id), field: value}

    response = browser(carol).post(reverse("incidents:service_edit", args=[checkout.pk]), data)

    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
