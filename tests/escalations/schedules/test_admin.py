"""The admin: overrides and temporary schedules, and the question before gaps."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from escalations.models import (
    OnCallSettings,
    Override,
    Schedule,
    ScheduleLayer,
    ScheduleVersion,
    TemporarySchedule,
)
from opsknight.models import AuditEntry, User
from tests.escalations.schedules.asking import on_call
from tests.escalations.test_admin import inline, schedule_fields
from tests.escalations.test_admin import layer as layer_fields
from tests.factories import OverrideFactory, ScheduleFactory


@pytest.fixture
def desk(alice: User) -> Client:
    """A browser in which Alice is signed in."""
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def alone(ann: User, now: datetime) -> Schedule:
    """Ann is the only one."""
    return ScheduleFactory(name="Alone", members=[ann], created_at=now - timedelta(days=1))


def span(start: datetime, end: datetime) -> dict[str, str]:
    return {
        f"{name}_{part}": f"{moment:{shape}}"
        for name, moment in (("starts_at", start), ("ends_at", end))
        for part, shape in ((0, "%Y-%m-%d"), (1, "%H:%M:%S"))
    }


def address(page: str, model: str, *args: int) -> str:
    return reverse(f"admin:escalations_{model}_{page}", args=args)


def test_override_is_made(
    desk: Client, layer: ScheduleLayer, ben: User, dan: User, now: datetime
) -> None:
    fields = {"schedule": layer.schedule_id, "kind": "replace", "user": dan.pk, "note": ""}

    answer = desk.post(
        address("add", "override"),
        fields | {"replaces": ben.pk} | span(now, now + timedelta(hours=1)),
    )

    assert answer.status_code == 302
    assert on_call(layer.schedule, now) == "Dan"
    assert AuditEntry.objects.get(action="override.added").entity_label


def test_override_in_the_way_is_named_at_the_field(
    desk: Client, layer: ScheduleLayer, dan: User, now: datetime
) -> None:
    other = OverrideFactory(schedule=layer.schedule, user=dan)
    fields = {"schedule": layer.schedule_id, "kind": "add", "user": dan.pk, "replaces": ""}

    answer = desk.post(
        address("add", "override"), fields | {"note": ""} | span(now, now + timedelta(hours=5))
    )

    (text,) = answer.context["adminform"].form.errors["starts_at"]
    assert f"(number {other.pk})" in text
    assert Override.objects.count() == 1


def test_override_that_began_is_not_deleted(desk: Client, dan: User) -> None:
    override = OverrideFactory(user=dan)

    answer = desk.post(address("delete", "override", override.pk), {"post": "yes"}, follow=True)

    assert "End it now instead" in answer.content.decode()
    assert Override.objects.exists()


def test_temporary_schedule_is_made_and_recorded(
    desk: Client, layer: ScheduleLayer, dan: User, now: datetime
) -> None:
    all_of_it = span(now, now + timedelta(hours=5))
    fields = {"schedule": layer.schedule_id, "name": "Fair", **all_of_it}

    answer = desk.post(
        address("add", "temporaryschedule"),
        fields | inline("shifts", {"user": dan.pk, **all_of_it}),
    )

    assert answer.status_code == 302
    assert TemporarySchedule.objects.get().shifts.get().user == dan
    assert on_call(layer.schedule, now) == "Dan"
    assert ScheduleVersion.objects.count() == 1


def test_temporary_schedule_that_is_over_is_not_made(
    desk: Client, layer: ScheduleLayer, now: datetime
) -> None:
    past = span(now - timedelta(hours=5), now - timedelta(hours=1))
    fields = {"schedule": layer.schedule_id, "name": "Fair", **past}

    answer = desk.post(address("add", "temporaryschedule"), fields | inline("shifts"))

    (text,) = answer.context["adminform"].form.errors["ends_at"]
    assert "what was cannot be changed" in text


def test_page_before_deleting_a_person_names_the_gaps(
    desk: Client, alone: Schedule, ann: User
) -> None:
    page = reverse("admin:opsknight_user_delete", args=[ann.pk])

    question = desk.get(page).content.decode()
    desk.post(page, {"post": "yes"})

    assert "Alone: nobody is on call from" in question
    assert not User.objects.filter(pk=ann.pk).exists()


def test_disabling_a_person_asks_before_it_leaves_gaps(
    desk: Client, alone: Schedule, ann: User
) -> None:
    page = reverse("admin:opsknight_user_change", args=[ann.pk])
    fields = {
        "email": ann.email,
        "name": "Ann",
        "role": "user",
        "status": "disabled",
        "time_zone": "UTC",
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
    }

    question = desk.post(page, fields)
    assert "Alone: nobody is on call from" in question.content.decode()
    assert User.objects.get(pk=ann.pk).is_active
    again = dict(question.context["sent"]) | {question.context["confirmed"]: "yes"}
    desk.post(page, again)

    assert not User.objects.get(pk=ann.pk).is_active


def test_disabling_a_selection_asks_once_about_all(
    desk: Client, ann: User, ben: User, now: datetime
) -> None:
    ScheduleFactory(name="Both", members=[ann, ben])
    page = reverse("admin:opsknight_user_changelist")
    fields = {"action": "disable_selected", "_selected_action": [ann.pk, ben.pk]}

    question = desk.post(page, fields)
    desk.post(page, fields | {"_confirmed": "yes"})

    assert "Both: nobody is on call from" in question.content.decode()
    assert not User.objects.filter(pk__in=[ann.pk, ben.pk], status="active").exists()


def test_removing_the_last_place_of_a_layer_asks(
    desk: Client, alone: Schedule, ann: User, now: datetime
) -> None:
    existing = ScheduleLayer.objects.get()
    row = {"id": existing.members.get().pk, "layer": existing.pk, "user": ann.pk, "turn": 1}
    own = {"id": existing.pk, "schedule": alone.pk}
    fields = schedule_fields(layer_fields(row | {"DELETE": "on"}, **own), initial=1, name="Alone")
    page = address("change", "schedule", alone.pk)

    question = desk.post(page, fields)

    assert "Alone: nobody is on call from" in question.content.decode()
    assert on_call(alone, now) == "Ann"


def test_second_editor_of_a_schedule_is_told(desk: Client, alone: Schedule, bob: User) -> None:
    Schedule.objects.update(version=2, saved_by=bob)
    page = address("change", "schedule", alone.pk)

    answer = desk.post(page, schedule_fields(name="New") | {"edited_version": 1})

    (text,) = answer.context["adminform"].form.non_field_errors()
    assert text.startswith("Bob saved Alone")
    assert Schedule.objects.get().name == "Alone"


def test_settings_are_one_row(desk: Client) -> None:
    fields = {"heartbeat_url": "https://example.com/ping", "heartbeat_seconds": 60}

    desk.post(address("add", "oncallsettings"), fields)
    again = desk.get(address("add", "oncallsettings"))

    assert OnCallSettings.objects.get().heartbeat_url == "https://example.com/ping"
    assert again.status_code == 403


def test_layer_has_its_active_times(desk: Client, ann: User) -> None:
    night = inline("restrictions", {"weekdays": [0, 4], "starts": "20:00", "ends": "08:00"})
    fields = layer_fields({"turn": 1, "user": ann.pk}) | night

    desk.post(address("add", "schedule"), schedule_fields(fields, name="Nights"))

    (row,) = Schedule.objects.get(name="Nights").layers.get().restrictions.all()
    assert row.weekdays == 0b1_0001
