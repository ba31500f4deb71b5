"""Pages of policies: whom they page, what is wrong with them, and what an alert would do."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from escalations.models import Schedule
from incidents.models import Route, Service
from notifications.models import Notification
from opsknight.models import User
from tests.escalations.pages import get, page, signed_in
from tests.escalations.walk import policy_of
from tests.factories import (
    ContactMethodFactory,
    DestinationFactory,
    IntegrationFactory,
    NotificationRuleFactory,
    PolicyFactory,
    ScheduleFactory,
    TeamFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def schedule(bob: User, carol: User) -> Schedule:
    """Bob is on call this week, Carol the next."""
    return ScheduleFactory(name="Primary", members=[bob, carol], time_zone="Europe/Vienna")


@pytest.mark.parametrize(
    "name",
    ["policies", "policy", "policy_new", "policy_edit", "policy_delete"],
)
def test_anonymous_people_are_sent_to_the_login(name: str, client: Client) -> None:
    args = [] if name in ("policies", "policy_new") else [PolicyFactory().pk]
    address = reverse(f"escalations:{name}", args=args)

    answer = client.get(address)

    assert answer.status_code == 302
    assert answer["Location"] == f"{reverse('opsknight:login')}?next={address}"


def test_routes_are_named_to_whoever_may_see_their_integration(
    service: Service, carol: User, eve: User
) -> None:
    policy = policy_of((0, [carol]))
    integration = IntegrationFactory(service=service, name="Grafana")
    Route.objects.create(
        integration=integration, position=0, name="Nights", escalation_policy=policy
    )

    assert "the route “Nights” of Grafana" in page(carol, "policy", policy.pk)
    assert "Nights" not in page(eve, "policy", policy.pk)


def test_policy_shows_numbered_steps_with_their_waits_and_services(
    service: Service, schedule: Schedule, eve: User
) -> None:
    policy = policy_of((0, [schedule]), (90, [eve]), (5, []), name="Payments first")
    service.escalation_policy = policy
    service.save()

    text = page(eve, "policy", policy.pk)

    for words in ("At once, page", "1 h 30 min later", "this step has no targets", "Checkout"):
        assert words in text


def test_policy_shows_everything_that_a_step_may_ask_for(eve: User, bob: User) -> None:
    team = TeamFactory(name="Payments", members=[bob], lead=bob)
    board = DestinationFactory(name="Board")
    limits = {
        "urgency": "high",
        "is_round_robin": True,
        "window_weekdays": 31,
        "window_starts": "08:00",
        "window_ends": "20:00",
        "condition_alerts": 10,
        "condition_minutes": 5,
    }
    policy = policy_of((0, [{"team": team, "leads_only": True}, board], limits))

    text = page(eve, "policy", policy.pk)

    for words in (
        "one of these, in turn",
        "the lead of Payments",
        "Board",
        "High urgency only",
        "Mon to Fri 08:00 to 20:00 (UTC)",
        "more than 10 alerts came in 5 min",
    ):
        assert words in text


def test_only_administrators_are_led_to_the_editor(alice: User, bob: User) -> None:
    policy = PolicyFactory()
    editor = reverse("escalations:policy_edit", args=[policy.pk])

    assert editor in page(alice, "policy", policy.pk)
    assert editor not in page(bob, "policy", policy.pk)
    assert reverse("escalations:policy_new") in page(alice, "policies")
    assert reverse("escalations:policy_new") not in page(bob, "policies")


@pytest.mark.parametrize("number", [1, 10])
def test_list_costs_the_same_queries_for_one_and_ten_policies(
    number: int, eve: User, schedule: Schedule
) -> None:
    for count in range(number):
        board = DestinationFactory(name=f"Board {count}")
        policy_of((0, [UserFactory(), schedule]), (5, [TeamFactory(members=[eve]), board]))
    client = signed_in(eve)

    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("escalations:policies"))

    # session, user, count, policies, steps, targets, teams, users, destinations, and eight of
    # schedules: schedule, layers, members, restrictions, imported, overrides, temporaries
    assert len(queries) == 16


@pytest.mark.parametrize("number", [1, 10])
def test_page_costs_the_same_queries_for_one_and_ten_steps(
    number: int, eve: User, schedule: Schedule
) -> None:
    policy = policy_of(*[(5, [UserFactory(), schedule]) for _ in range(number)])
    client = signed_in(eve)

    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("escalations:policy", args=[policy.pk]))

    assert len(queries) <= 36


def test_list_is_searched_by_name(eve: User) -> None:
    policy_of((0, [eve]), name="Payments first")
    policy_of((0, [eve]), name="Warehouse")

    text = page(eve, "policies", query="?q=pay")

    assert "Payments first" in text
    assert "Warehouse" not in text


@pytest.mark.parametrize("query", ["?page=99999999999999999999", "?q=%00", "?page=x"])
def test_list_with_absurd_questions_answers(eve: User, query: str) -> None:
    policy_of((0, [eve]))

    assert get(eve, "policies", query=query).status_code == 200


# What is wrong with a policy


def nothing_to_page() -> object:
    return PolicyFactory()


def inactive_person() -> object:
    return policy_of((0, [UserFactory(name="Dan", status="disabled")]))


def empty_step() -> object:
    return policy_of((0, [UserFactory()]), (5, []))


def team_of_nobody() -> object:
    return policy_of((0, [TeamFactory(name="Ghosts")]))


def team_without_lead() -> object:
    return policy_of((0, [{"team": TeamFactory(name="Crew"), "leads_only": True}]))


def switched_off_place() -> object:
    return policy_of((0, [DestinationFactory(name="Board", enabled=False)]))


def empty_schedule() -> object:
    return policy_of((0, [ScheduleFactory(name="Nights")]))


def inactive_fallback() -> object:
    gone = UserFactory(name="Dan", status="disabled")
    return policy_of((0, [UserFactory()]), fallback_user=gone)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (nothing_to_page, "It has no steps"),
        (inactive_person, "Step 1: Dan is not active"),
        (empty_step, "Step 2 pages nobody"),
        (team_of_nobody, "Step 1: no one in the team Ghosts receives its pages"),
        (team_without_lead, "Step 1: the team Crew has no lead"),
        (switched_off_place, "Step 1: the destination Board is switched off"),
        (empty_schedule, "Step 1: the schedule Nights has no layers"),
        (inactive_fallback, "Final fallback: Dan is not active"),
    ],
)
def test_what_keeps_a_policy_from_paging_is_said_on_it_and_in_the_list(
    policy: object, words: str, eve: User
) -> None:
    made = policy()  # type: ignore[operator]

    assert words in page(eve, "policy", made.pk)
    assert words in page(eve, "policies")


def test_gap_of_a_schedule_within_a_week_is_warned_of(
    schedule: Schedule, eve: User, now: datetime
) -> None:
    schedule.layers.update(ends_at=now + timedelta(days=3))
    policy = policy_of((0, [schedule]))

    assert "nobody will be on call in Primary from" in page(eve, "policy", policy.pk)
    assert "nobody will be on call in Primary from" in page(eve, "policies")


def test_policy_in_order_is_not_warned_of(schedule: Schedule, eve: User) -> None:
    policy_of((0, [schedule]))

    assert "Pages somebody" in page(eve, "policies")


# Trying it out


def test_dry_run_says_who_would_be_paged_when_and_how(bob: User, carol: User, eve: User) -> None:
    method = ContactMethodFactory(user=bob)
    for delay in (0, 10):
        NotificationRuleFactory(user=bob, contact_method=method, delay_minutes=delay)
    policy = policy_of((0, [bob]), (75, [carol]), repeat_times=0)

    text = page(eve, "policy", policy.pk)

    for words in ("at once", "E-mail at once, E-mail after 10 min", "after 1 h 15 min", "Carol"):
        assert words in text
    assert not Notification.objects.exists()


def test_dry_run_is_of_the_asked_time_by_the_clock_of_the_reader(bob: User, eve: User) -> None:
    User.objects.filter(pk=eve.pk).update(time_zone="Asia/Tokyo")
    window = {"window_weekdays": 1, "window_starts": "09:00", "window_ends": "10:00"}
    policy = policy_of((0, [bob], window), repeat_times=0, time_zone="Asia/Tokyo")

    inside = page(eve, "policy", policy.pk, query="?at=2026-11-30T09:30")
    outside = page(eve, "policy", policy.pk, query="?at=2026-11-30T10:30")

    assert "30 Nov 2026, 09:30" in inside
    assert "passed over at once" not in inside
    assert "passed over at once" in outside


def test_dry_run_is_of_the_asked_urgency(bob: User, carol: User, eve: User) -> None:
    policy = policy_of((0, [bob], {"urgency": "high"}), (5, [carol], {"urgency": "other"}))

    high = page(eve, "policy", policy.pk, query="?urgency=high").partition('id="rehearsal"')[2]
    low = page(eve, "policy", policy.pk, query="?urgency=low").partition('id="rehearsal"')[2]

    assert ("Bob" in high, "Carol" in high) == (True, False)
    assert ("Bob" in low, "Carol" in low) == (False, True)


@pytest.mark.parametrize("query", ["?at=soon", "?at=9999-01-01T00:00", "?urgency=panic"])
def test_dry_run_of_something_unreadable_says_what_to_write(
    query: str, bob: User, eve: User
) -> None:
    policy = policy_of((0, [bob]))

    assert "Write date and time as" in page(eve, "policy", policy.pk, query=query)


@pytest.mark.parametrize("at", ["1970-01-01T00:00", "2199-12-31T23:59"])
def test_dry_run_at_the_edge_of_the_years_answers(at: str, schedule: Schedule, eve: User) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        User.objects.filter(pk=eve.pk).update(time_zone=zone)
        policy = policy_of((0, [schedule]), (10080, [schedule]), repeat_times=3)

        assert get(eve, "policy", policy.pk, query=f"?at={at}").status_code == 200


def test_dry_run_of_a_policy_without_steps_says_who_is_paged_instead(eve: User) -> None:
    text = page(eve, "policy", PolicyFactory().pk)

    assert "the team of the service is paged once" in text
