"""Escalating by hand from pages, and the plan that they show beside what happened."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.models import Incident, Service
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from incidents.services.maintenance import start_maintenance
from opsknight.models import User
from tests.escalations.pages import page, post, signed_in
from tests.escalations.walk import MINUTE, escalating, paged, policy_of, take_all
from tests.factories import ServiceFactory, TeamFactory

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def incident(service: Service, bob: User, carol: User, alice: User, now: datetime) -> Incident:
    """Step 1 has paged Bob."""
    incident = escalating(service, now, policy_of((0, [bob]), (30, [carol]), (30, [alice])))
    take_all(now)
    return incident


def said_in(answer: HttpResponse) -> str:
    """The toast, or what stands on the page."""
    return answer.headers.get("HX-Trigger", "") + answer.content.decode()


def test_escalate_now_pages_the_next_step(incident: Incident, bob: User, now: datetime) -> None:
    answer = post(bob, "escalate", incident.pk)
    take_all(now + MINUTE)

    assert answer["Location"] == reverse("incidents:detail", args=[incident.pk])
    assert paged(incident) == ["Bob", "Carol"]


def test_escalate_to_a_chosen_step_pages_that_one(
    incident: Incident, bob: User, now: datetime
) -> None:
    post(bob, "escalate", incident.pk, data={"step": "3"})
    take_all(now + MINUTE)

    assert paged(incident) == ["Bob", "Alice"]


def test_b3_escalating_from_the_page_withdraws_the_acknowledgement_and_says_so(
    incident: Incident, bob: User
) -> None:
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    answer = post(bob, "escalate", incident.pk, **HTMX)

    incident.refresh_from_db()
    assert incident.status == Incident.Status.TRIGGERED
    assert "The acknowledgement is withdrawn." in said_in(answer)
    assert "incident-acted" in answer["HX-Trigger"]
    assert "Escalation" in answer.content.decode()


def test_m2_escalating_in_maintenance_is_refused_with_the_reason(
    incident: Incident, bob: User, service: Service
) -> None:
    start_maintenance(service=service, length=timedelta(hours=1), reason="Upgrade", actor=None)

    plain = post(bob, "escalate", incident.pk)
    htmx = post(bob, "escalate", incident.pk, **HTMX)

    assert (plain.status_code, htmx.status_code) == (409, 409)
    assert "Checkout is in maintenance until" in said_in(plain)
    assert "End the maintenance, and step 1 is paged at once" in said_in(htmx)


@pytest.mark.parametrize(
    ("step", "words"), [("9", "has 3 steps"), ("x", "Choose one of the steps")]
)
def test_step_that_does_not_exist_is_refused(
    step: str, words: str, incident: Incident, bob: User
) -> None:
    answer = post(bob, "escalate", incident.pk, data={"step": step})

    assert answer.status_code == 400
    assert words in said_in(answer)


def test_resolved_incident_is_not_escalated(incident: Incident, bob: User) -> None:
    resolve_incidents(incident_ids=[incident.pk], actor=bob)

    answer = post(bob, "escalate", incident.pk)

    assert answer.status_code == 409
    assert "There is nothing to escalate any more" in said_in(answer)


def test_page_without_javascript_asks_for_the_step(incident: Incident, bob: User) -> None:
    text = page(bob, "escalate", incident.pk)

    assert "step 2: Carol" in text
    assert reverse("escalations:escalate", args=[incident.pk]) in (
        signed_in(bob).get(reverse("incidents:detail", args=[incident.pk])).content.decode()
    )


def test_stranger_gets_404(incident: Incident, eve: User) -> None:
    assert post(eve, "escalate", incident.pk).status_code == 404


def test_reader_gets_403(incident: Incident, eve: User) -> None:
    Service.objects.update(team=None)  # everybody sees it now

    assert post(eve, "escalate", incident.pk).status_code == 403
    assert "do-escalate" not in plan(eve, incident)
    assert post(eve, "escalate_many", data={"incident": [incident.pk]}, **HTMX).status_code == 200
    assert not Incident.objects.get().timeline.filter(kind="escalation_moved").exists()


def test_team_of_the_service_may_escalate(incident: Incident, carol: User, now: datetime) -> None:
    assert post(carol, "escalate", incident.pk).status_code == 302


@pytest.mark.parametrize("name", ["escalate", "escalate_many"])
def test_anonymous_people_escalate_nothing(name: str, incident: Incident, client: object) -> None:
    args = [incident.pk] if name == "escalate" else []

    answer = client.post(reverse(f"escalations:{name}", args=args))  # type: ignore[attr-defined]

    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


# Many


def test_b12_ticked_incidents_are_escalated_at_once(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (30, [carol]))
    three = [escalating(service, now, policy) for _ in range(3)]
    take_all(now)
    acknowledge_incidents(incident_ids=[three[1].pk], actor=bob)

    answer = post(bob, "escalate_many", data={"incident": [i.pk for i in three]}, **HTMX)
    take_all(now + MINUTE)

    assert "3 escalated." in said_in(answer)
    assert [paged(incident) for incident in three] == [["Bob", "Carol"]] * 3


def test_many_say_why_some_are_not_escalated(incident: Incident, bob: User, now: datetime) -> None:
    lonely = escalating(ServiceFactory(name="Lonely"), now)

    answer = post(bob, "escalate_many", data={"incident": [incident.pk, lonely.pk]}, **HTMX)

    assert "1 escalated." in said_in(answer)
    assert "Lonely has no escalation policy" in said_in(answer)


def test_many_leave_what_a_person_may_not_see(incident: Incident, eve: User, now: datetime) -> None:
    post(eve, "escalate_many", data={"incident": [incident.pk]})
    take_all(now + MINUTE)

    assert paged(incident) == ["Bob"]


@pytest.mark.parametrize("data", [{}, {"incident": ["x", "9" * 40]}])
def test_many_of_nothing_say_to_tick_first(data: dict[str, list[str]], bob: User) -> None:
    answer = post(bob, "escalate_many", data=data, **HTMX)

    assert "Tick the incidents first" in said_in(answer)


def test_more_than_500_at_once_are_refused(bob: User) -> None:
    answer = post(bob, "escalate_many", data={"incident": list(range(1, 502))})

    assert answer.status_code == 400


@pytest.mark.parametrize("number", [1, 10])
def test_many_cost_the_same_queries(
    number: int, service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (30, [carol]))
    ids = [escalating(service, now, policy).pk for _ in range(number)]
    take_all(now)
    client = signed_in(bob)

    with CaptureQueriesContext(connection) as queries:
        client.post(reverse("escalations:escalate_many"), {"incident": ids})

    assert len(queries) <= 24


# The plan


def plan(user: User, incident: Incident) -> str:
    return page(user, "plan_panel", incident.pk)


def test_plan_shows_windows_conditions_turns_fallback_and_resolve(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    everything = {
        "is_round_robin": True,
        "window_weekdays": 127,
        "window_starts": "00:00",
        "window_ends": "00:00",
        "condition_alerts": 10,
        "condition_minutes": 5,
    }
    policy = policy_of(
        (0, [bob]),
        (10, [bob, carol], everything),
        fallback_team=TeamFactory(name="Second line", members=[carol]),
        resolve_after_minutes=600,
    )
    incident = escalating(service, now, policy)
    take_all(now)

    text = plan(bob, incident)

    for words in (
        "In turn",
        "every day 00:00 to 00:00",
        "more than 10 alerts came within 5 min",
        "Final fallback: Carol",
        "Resolves by itself",
    ):
        assert words.lower() in text.lower()


def test_plan_says_that_a_step_holds(service: Service, bob: User, now: datetime) -> None:
    few = {"condition_alerts": 10, "condition_minutes": 5}
    incident = escalating(service, now, policy_of((0, [bob], few)))
    take_all(now)

    assert "Holding" in plan(bob, incident)


def test_plan_says_when_an_acknowledgement_times_out(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), ack_timeout_minutes=30))
    take_all(now)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    assert "the acknowledgement is withdrawn and step 1 pages again" in plan(bob, incident)


def test_plan_of_a_step_outside_of_its_hours_says_that_it_is_passed_over(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    tomorrow = {"window_weekdays": 1 << (now.weekday() + 2) % 7, "window_starts": "09:00"}
    window = {**tomorrow, "window_ends": "10:00"}
    incident = escalating(service, now, policy_of((0, [bob]), (5, [carol], window)))
    take_all(now)

    assert "Passed over at that time" in plan(bob, incident)


def test_button_is_offered_to_who_may_press_it(
    incident: Incident, service: Service, bob: User, carol: User
) -> None:
    assert "do-escalate" in plan(bob, incident)
    assert "do-escalate" in plan(carol, incident)

    resolve_incidents(incident_ids=[incident.pk], actor=bob)

    assert "do-escalate" not in plan(bob, incident)
