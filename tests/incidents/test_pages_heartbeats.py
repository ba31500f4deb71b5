"""The panel of a heartbeat: how it is, what is expected of it, and who may change that."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from incidents.durations import as_written, in_words, parse_duration
from incidents.models import Heartbeat, Integration, Service
from incidents.services.catalog import create_integration
from opsknight.models import AuditEntry, User
from tests.factories import IntegrationFactory
from tests.incidents.cast import browser

FORM = {"interval_seconds": "1 h 30 min", "grace_seconds": "10 min", "expects_first": "on"}


@pytest.fixture
def backup(checkout: Service) -> Integration:
    return create_integration(service=checkout, kind="heartbeat", name="Nightly backup", actor=None)


def address(integration: Integration) -> str:
    return f"/integrations/{integration.pk}/heartbeat/"


def page(user: User, integration: Integration) -> str:
    return browser(user).get(f"/integrations/{integration.pk}/").content.decode()


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, "Waiting for the first beat"),
        ({"last_beat_at": timezone.now()}, "On time"),
        ({"due_at": None, "missed_at": timezone.now()}, "Late"),
        ({"due_at": None, "failed_at": timezone.now()}, "Failed"),
    ],
)
def test_state_is_shown_on_both_pages(
    bob: User, backup: Integration, fields: dict[str, Any], shown: str
):
    Heartbeat.objects.filter(integration=backup).update(**fields)

    on_the_service = browser(bob).get(f"/services/{backup.service_id}/").content.decode()

    assert shown in page(bob, backup)
    assert shown in on_the_service


def test_a_disabled_heartbeat_is_muted(bob: User, backup: Integration):
    Integration.objects.update(enabled=False)

    assert "Muted" in page(bob, backup)


def test_what_to_paste_has_the_address_of_beats(bob: User, backup: Integration):
    assert f"/api/heartbeats/{backup.key}" in page(bob, backup)


def test_another_kind_has_no_such_panel(bob: User, checkout: Service):
    other = IntegrationFactory(service=checkout, kind="webhook")

    assert 'id="heartbeat"' not in page(bob, other)
    assert browser(bob).get(address(other)).status_code == 404


def test_present_expectations_stand_in_the_form(bob: User, backup: Integration):
    Heartbeat.objects.filter(integration=backup).update(interval_seconds=5400)

    assert 'value="1 h 30 min"' in page(bob, backup)


@pytest.mark.parametrize("who", ["bob", "carol"])
def test_expectations_are_changed_and_audited(
    request: pytest.FixtureRequest, backup: Integration, who: str
):
    user = request.getfixturevalue(who)

    answer = browser(user).post(address(backup), FORM)

    heartbeat = Heartbeat.objects.get(integration=backup)
    assert answer.url == f"/integrations/{backup.pk}/"
    assert (heartbeat.interval_seconds, heartbeat.grace_seconds) == (5400, 600)
    assert heartbeat.expects_first
    assert AuditEntry.objects.get(action="heartbeat.updated").actor == user


def test_an_outsider_neither_sees_nor_changes_it(eve: User, backup: Integration):
    answers = [browser(eve).get(address(backup)), browser(eve).post(address(backup), FORM)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert Heartbeat.objects.get(integration=backup).interval_seconds == 3600


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"interval_seconds": "often"}, "Write it like 5 min"),
        ({"interval_seconds": "59"}, "at least 60 seconds"),
        ({"interval_seconds": "32 days"}, "at most 31 days"),
        ({"interval_seconds": "999999999 days"}, "at most 31 days"),
        ({"interval_seconds": ""}, "required"),
        ({"grace_seconds": "-5 min"}, "Write it like 5 min"),
        ({"grace_seconds": "32 days"}, "at most 31 days"),
    ],
)
def test_wrong_expectations_are_explained_beside_the_form(
    bob: User, backup: Integration, change: dict[str, str], says: str
):
    answer = browser(bob).post(address(backup), FORM | change)

    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert Heartbeat.objects.get(integration=backup).interval_seconds == 3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("5 min", 300),
        ("1h 30m", 5400),
        ("1 day, 2 hours", 93_600),
        (" 2 DAYS ", 172_800),
        ("0", 0),
        ("", None),
        ("soon", None),
        ("5 lightyears", None),
        ("-5", None),
        ("1 30", None),
        ("1.5 h", None),
        ("9" * 50, None),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: int | None):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("seconds", [0, 1, 60, 61, 5400, 86_399, 86_400, 90_061, 2_678_400])
def test_a_written_duration_reads_the_same_again(seconds: int):
    assert parse_duration(as_written(seconds)) == seconds


def test_durations_are_told_in_two_units():
    told = [in_words(timedelta(seconds=s)) for s in (0, 59, 90, 3600, 3605, 90_061, 172_800)]

    assert told == ["0 s", "59 s", "1 min 30 s", "1 h", "1 h", "1 day 1 h", "2 days"]
