"""How a policy ends, how acknowledgements end, and what is escalated by hand."""

from datetime import datetime, timedelta

import pytest

from escalations.models import EscalationRun
from escalations.services import engine
from escalations.services.ack_timeouts import withdraw_timed_out
from escalations.services.manual import escalate_incidents
from incidents.models import Incident, Service
from incidents.services.lifecycle import acknowledge_incidents
from notifications.models import Notification
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import Team, User
from tests.escalations.walk import MINUTE, escalating, paged, policy_of, said, take_all, timer
from tests.factories import ScheduleFactory, ServiceFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


# The end


def test_final_fallback_is_paged_when_nobody_answered(
    service: Service, bob: User, eve: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), fallback_user=eve, repeat_after_minutes=20)
    incident = escalating(service, now, policy)

    take_all(now)
    before = paged(incident)
    take_all(now + 20 * MINUTE)

    assert (before, paged(incident)) == (["Bob"], ["Bob", "Eve"])
    assert said(incident)[1:] == [
        "Nobody answered: paged Eve instead",
        "Escalation ended: every step was taken once and nobody acknowledged",
    ]


def test_final_fallback_is_paged_at_once_when_nobody_is_on_call(
    service: Service, team: Team, now: datetime
) -> None:
    night = TeamFactory(name="Owls", members=[UserFactory(name="Olga")])
    policy = policy_of((0, [ScheduleFactory(name="Night")]), fallback_team=night)
    incident = escalating(service, now, policy)

    take_all(now)

    assert said(incident)[1:] == [
        "Paged Olga (team Owls) instead",
        "Escalation ended: every step was taken once and nobody acknowledged",
    ]


def test_fallback_that_reaches_nobody_gives_way_to_the_team_of_the_service(
    service: Service, bob: User, now: datetime
) -> None:
    gone = UserFactory(name="Dora", status=User.Status.DISABLED)
    incident = escalating(service, now, policy_of((0, []), fallback_user=gone))

    take_all(now)

    assert said(incident)[1] == (
        "Paged Carol (team Payments) instead; Dora is not active: the account is disabled"
    )


def test_incident_resolves_by_itself_after_everything_was_tried(
    service: Service, bob: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), resolve_after_minutes=60, name="Critical")
    incident = escalating(service, now, policy)

    take_all(now)
    before = timer(incident)
    take_all(now + HOUR)

    incident.refresh_from_db()
    assert before == now + HOUR
    assert (incident.status, incident.escalate_at) == (Incident.Status.RESOLVED, None)
    assert said(incident)[1:] == [
        "Escalation ended: every step was taken once and nobody acknowledged; the incident "
        "resolves by itself in 1 h",
        "Resolved (Critical: 1 h after its last step)",
    ]


def test_acknowledged_incident_does_not_resolve_by_itself(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), resolve_after_minutes=60))
    take_all(now)

    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    assert take_all(now + timedelta(days=1)) == 0


# Acknowledgements


def test_t15_acknowledgement_that_times_out_pages_step_1_again(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [carol]), (5, [carol]), ack_timeout_minutes=30)
    incident = escalating(service, now, policy)
    engine.run_due_steps()
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    early = withdraw_timed_out()
    Incident.objects.update(acknowledged_at=now - 30 * MINUTE)

    assert (early, withdraw_timed_out()) == (0, 1)
    engine.run_due_steps()

    assert paged(incident) == ["Carol", "Carol", "Bob"]  # Bob has it assigned
    assert "Acknowledgement withdrawn (30 min without a resolve)" in said(incident)


def test_acknowledgement_from_before_the_first_step_times_out_too(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((5, [bob]), ack_timeout_minutes=30))
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    Incident.objects.update(acknowledged_at=now - 31 * MINUTE)

    assert withdraw_timed_out() == 1


def test_acknowledgement_holds_where_no_time_out_was_asked_for(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob])))
    take_all(now)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    Incident.objects.update(acknowledged_at=now - timedelta(days=365))

    assert withdraw_timed_out() == 0


def test_incident_is_told_that_everybody_acknowledges(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), is_multi_ack=True))

    take_all(now)

    incident.refresh_from_db()
    assert incident.is_multi_ack
    assert Notification.objects.filter(needs_own_ack=True).exists()


# By hand


def test_chosen_step_is_paged_whatever_its_urgency_and_the_escalation_goes_on_from_there(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (5, [carol]), (5, [eve], {"urgency": "high"}), (5, [bob]))
    incident = escalating(service, now, policy, urgency="low")
    take_all(now)

    escalate_incidents(incidents=[incident], step=3, actor=bob, now=now)
    take_all(now)
    take_all(now + 5 * MINUTE)

    assert paged(incident) == ["Bob", "Eve", "Bob"]


def test_same_step_can_be_paged_again_by_hand(service: Service, bob: User, now: datetime) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (5, [bob])))
    take_all(now)

    escalate_incidents(incidents=[incident], step=1, actor=bob, now=now)
    take_all(now)

    assert paged(incident) == ["Bob", "Bob"]


def test_escalating_after_the_end_starts_anew(service: Service, bob: User, now: datetime) -> None:
    incident = escalating(service, now, policy_of((0, [bob])))
    take_all(now)

    escalate_incidents(incidents=[incident], step=None, actor=bob, now=now)
    take_all(now)

    assert paged(incident) == ["Bob", "Bob"]


def test_step_that_does_not_exist_is_refused_and_nothing_changes(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (5, [bob]), name="Critical"))
    take_all(now)
    before = timer(incident)

    with pytest.raises(InvalidInput, match="Critical has 2 steps"):
        escalate_incidents(incidents=[incident], step=3, actor=bob, now=now)

    assert timer(incident) == before
    assert EscalationRun.objects.get().generation == 0


def test_service_without_policy_cannot_be_escalated(service: Service, now: datetime) -> None:
    incident = escalating(service, now)

    with pytest.raises(Conflict, match="Checkout has no escalation policy"):
        escalate_incidents(incidents=[incident], step=None, actor=None, now=now)


def test_bulk_escalation_leaves_out_what_cannot_be_escalated(
    service: Service, bob: User, now: datetime
) -> None:
    good = escalating(service, now, policy_of((0, [bob])))
    bad = escalating(ServiceFactory(), now)

    outcome = escalate_incidents(incidents=[good, bad], step=None, actor=bob, now=now)

    assert (outcome.ids, list(outcome.refused)) == ([good.pk], [bad.pk])


def test_next_step_is_not_skipped_by_two_people_who_press_at_the_same_time(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (5, [carol]), (5, [eve])))
    take_all(now)
    escalate_incidents(incidents=[incident], step=None, actor=bob, now=now)
    take_all(now)

    with pytest.raises(Conflict, match="Bob escalated incident"):
        escalate_incidents(
            incidents=[incident], step=None, actor=carol, now=now + timedelta(seconds=3)
        )

    take_all(now + timedelta(seconds=4))
    assert paged(incident) == ["Bob", "Carol"]


def test_somebody_else_may_go_further_a_while_later(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (5, [carol]), (5, [eve])))
    take_all(now)
    escalate_incidents(incidents=[incident], step=None, actor=bob, now=now)
    take_all(now)

    later = now + timedelta(seconds=11)
    escalate_incidents(incidents=[incident], step=None, actor=carol, now=later)
    take_all(later)

    assert paged(incident) == ["Bob", "Carol", "Eve"]
