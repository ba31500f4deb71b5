"""Who of a team may not be reached: shown to the team and to responders."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications.models import Absence
from opsknight.models import Team, User
from tests.factories import (
    ContactMethodFactory,
    NotificationRuleFactory,
    TeamFactory,
    UserFactory,
)
from tests.incidents.cast import browser

pytestmark = pytest.mark.django_db


@pytest.fixture
def team(bob: User, carol: User) -> Team:
    return TeamFactory(members=[bob, carol])


def panel(user: User, team: Team) -> str:
    answer = browser(user).get(reverse("notifications:team_reach", args=[team.pk]))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def lost_way(user: User, **values: object) -> None:
    method = ContactMethodFactory(user=user, channel="sms", address="+436641234567", **values)
    NotificationRuleFactory(contact_method=method)


def test_the_team_sees_whose_way_is_lost_and_no_address(team: Team, bob: User, carol: User):
    lost_way(bob, verified_at=None)

    shown = panel(carol, team)

    assert "Bob" in shown
    assert "Not verified" in shown
    assert "436641234567" not in shown


def test_strangers_to_the_team_see_nothing_and_responders_do(team: Team, bob: User, eve: User):
    lost_way(bob, stopped_at=timezone.now())
    responder = UserFactory(role=User.Role.RESPONDER)

    assert "Bob" not in panel(eve, team)
    assert "Stopped" in panel(responder, team)


def test_a_way_that_its_owner_switched_off_is_nobodys_business(team: Team, bob: User, carol: User):
    lost_way(bob, enabled=False)

    assert "Bob" not in panel(carol, team)


def test_who_is_away_is_shown_with_the_substitute(team: Team, bob: User, carol: User, eve: User):
    now = timezone.now()
    Absence.objects.create(
        user=bob, substitute=eve, begins_at=now, ends_at=now + timedelta(hours=1)
    )

    assert "Eve is paged instead" in panel(carol, team)


def test_who_has_no_immediate_way_is_shown(team: Team, bob: User, carol: User):
    NotificationRuleFactory(contact_method=ContactMethodFactory(user=bob), delay_minutes=5)

    assert "Nothing at once" in panel(carol, team)


def test_the_panel_costs_the_same_queries_for_two_and_ten_members(carol: User):
    counts = []
    for number in (2, 10):
        people = UserFactory.create_batch(number)
        for person in people:
            NotificationRuleFactory(
                contact_method=ContactMethodFactory(user=person, verified_at=None)
            )
        team = TeamFactory(members=[carol, *people])
        client = browser(carol)
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("notifications:team_reach", args=[team.pk]))
        counts.append(len(queries))

    assert counts[0] == counts[1]
