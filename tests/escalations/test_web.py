"""Pages and panels of on call and escalation: what they show, and to whom."""

from datetime import datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from escalations.models import LayerMember, Schedule
from incidents.models import Incident, Service
from incidents.services.lifecycle import acknowledge_incidents
from opsknight.models import AuditEntry, User
from tests.escalations.walk import MINUTE, escalating, policy_of, take_all
from tests.factories import PolicyFactory, ScheduleFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def schedule(bob: User, carol: User) -> Schedule:
    """Bob is on call this week, Carol the next."""
    return ScheduleFactory(name="Primary", members=[bob, carol], time_zone="Europe/Vienna")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(user: User, name: str, *args: int, query: str = "") -> str:
    """The text of a page that answers 200."""
    answer = signed_in(user).get(reverse(name, args=args) + query)
    assert answer.status_code == 200
    return answer.content.decode()


# Who may see


@pytest.mark.parametrize(
    "name", ["schedules", "schedule", "policies", "policy", "on_call_panel", "plan_panel"]
)
def test_anonymous_people_are_sent_to_the_login(
    name: str, client: Client, schedule: Schedule, service: Service, now: datetime
) -> None:
    args = {
        "schedule": [schedule.pk],
        "policy": [PolicyFactory().pk],
        "plan_panel": [escalating(service, now).pk],
    }
    address = reverse(f"escalations:{name}", args=args.get(name, []))

    answer = client.get(address)

    assert answer.status_code == 302
    assert answer["Location"] == f"{reverse('opsknight:login')}?next={address}"


@pytest.mark.parametrize("name", ["schedule", "policy", "plan_panel"])
def test_what_does_not_exist_is_404(name: str, alice: User) -> None:
    answer = signed_in(alice).get(reverse(f"escalations:{name}", args=[12345]))

    assert answer.status_code == 404


def test_plan_of_an_incident_is_404_for_a_stranger(
    service: Service, eve: User, carol: User, now: datetime
) -> None:
    address = reverse("escalations:plan_panel", args=[escalating(service, now).pk])

    assert signed_in(carol).get(address).status_code == 200
    assert signed_in(eve).get(address).status_code == 404


def test_plan_of_a_private_incident_is_404_even_for_administrators(
    service: Service, alice: User, now: datetime
) -> None:
    incident = escalating(service, now, visibility=Incident.Visibility.PRIVATE)

    answer = signed_in(alice).get(reverse("escalations:plan_panel", args=[incident.pk]))

    assert answer.status_code == 404


# Schedules


def test_list_says_who_is_on_call_and_who_is_next(schedule: Schedule, eve: User) -> None:
    text = page(eve, "escalations:schedules")

    assert text.index("Bob") < text.index("Carol")
    assert "Europe/Vienna" in text


def test_list_marks_a_schedule_with_nobody(eve: User) -> None:
    ScheduleFactory(name="Empty")

    assert "Nobody" in page(eve, "escalations:schedules")


def test_list_without_schedules_teaches_the_next_step(bob: User, eve: User) -> None:
    assert reverse("escalations:schedule_new") in page(bob, "escalations:schedules")
    assert "Ask a responder" in page(eve, "escalations:schedules")


@pytest.mark.parametrize("number", [1, 10])
def test_list_costs_the_same_queries_for_one_and_ten_schedules(
    number: int, bob: User, carol: User
) -> None:
    for _ in range(number):
        ScheduleFactory(members=[bob, carol])
    client = signed_in(bob)

    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("escalations:on_call_panel"))

    # Session, user, visible schedules; schedules, layers, members, restrictions, imported shifts,
    # overrides, temporary schedules.
    assert len(queries) == 10


def test_policies_that_page_a_schedule_are_named_on_it(schedule: Schedule, eve: User) -> None:
    policy_of((0, [schedule]), name="Payments first")

    assert "Payments first" in page(eve, "escalations:schedule", schedule.pk)


# Giving a turn over


def give_turn(user: User, schedule: Schedule, to: User) -> int:
    address = reverse("escalations:put_on_call", args=[schedule.pk, schedule.layers.get().pk])
    return signed_in(user).post(address, {"user": to.pk}).status_code


def test_responder_puts_somebody_on_call(schedule: Schedule, bob: User, carol: User) -> None:
    assert give_turn(bob, schedule, carol) == 302

    order = LayerMember.objects.order_by("turn").values_list("user__name", flat=True)
    assert list(order) == ["Carol", "Bob"]
    entry = AuditEntry.objects.get(action="schedule_layer.put_on_call")
    assert entry.changes == {"on_call": ["Bob", "Carol"]}


def test_reader_may_not_put_anybody_on_call(schedule: Schedule, carol: User, eve: User) -> None:
    assert give_turn(eve, schedule, carol) == 403
    assert "Put on call now" not in page(eve, "escalations:schedule", schedule.pk)


def test_only_members_of_the_layer_can_be_put_on_call(
    schedule: Schedule, bob: User, eve: User
) -> None:
    assert give_turn(bob, schedule, eve) == 400


@pytest.mark.parametrize("nobody", ["", "x", "9" * 5000])
def test_nobody_unreadable_is_put_on_call(schedule: Schedule, bob: User, nobody: str) -> None:
    address = reverse("escalations:put_on_call", args=[schedule.pk, schedule.layers.get().pk])

    assert signed_in(bob).post(address, {"user": nobody}).status_code == 404


# The plan of an incident


def test_plan_shows_what_happened_and_what_follows(
    service: Service, schedule: Schedule, bob: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (10, [schedule]), repeat_times=2)
    incident = escalating(service, now, policy)
    take_all(now)

    text = page(bob, "escalations:plan_panel", incident.pk)

    assert "Step 1: paged Bob" in text
    assert "Primary on call (Bob)" in text
    assert "2 more rounds" in text


def test_plan_is_known_before_the_engine_looked(service: Service, bob: User, now: datetime) -> None:
    incident = escalating(service, now, policy_of((10, [bob])))

    assert "Step 1" in page(bob, "escalations:plan_panel", incident.pk)


def test_plan_of_an_acknowledged_incident_says_that_it_stopped(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (10, [bob])))
    take_all(now)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    assert "Nobody else is paged" in page(bob, "escalations:plan_panel", incident.pk)


def test_plan_says_when_every_step_was_taken(service: Service, bob: User, now: datetime) -> None:
    incident = escalating(service, now, policy_of((0, [bob])))
    take_all(now)

    assert "nobody acknowledged" in page(bob, "escalations:plan_panel", incident.pk)


def test_plan_without_policy_says_who_was_paged_instead(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now)
    take_all(now)

    text = page(bob, "escalations:plan_panel", incident.pk)

    assert "has no escalation policy" in text
    assert "Paged Carol (team Payments) instead" in text


def test_pages_have_no_inline_script_or_style(
    service: Service, schedule: Schedule, alice: User, now: datetime
) -> None:
    policy = policy_of((0, [schedule]), (5, [UserFactory()]))
    incident = escalating(service, now, policy)
    take_all(now + MINUTE)

    for name, *args in (
        ("schedules",),
        ("schedule", schedule.pk),
        ("policies",),
        ("policy", policy.pk),
        ("on_call_panel",),
        ("plan_panel", incident.pk),
    ):
        text = page(alice, f"escalations:{name}", *args)  # type: ignore[arg-type]
        assert " style=" not in text
        assert " onclick=" not in text
