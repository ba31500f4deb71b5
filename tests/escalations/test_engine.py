"""One incident's way through its policy."""

from datetime import datetime, timedelta

import pytest

from escalations.models import EscalationRun, PolicyStep
from escalations.services import engine
from incidents.models import Incident, Service, TimelineEntry
from incidents.services.lifecycle import (
    acknowledge_incidents,
    resolve_incidents,
    unacknowledge_incident,
)
from notifications.models import Notification
from opsknight.models import TeamMember, User
from tests.escalations.walk import (
    MINUTE,
    Kind,
    escalating,
    paged,
    policy_of,
    said,
    take_all,
    timer,
)
from tests.factories import ScheduleFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_second_step_is_paged_after_its_delay(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (30, [carol])))

    take_all(now)
    assert paged(incident) == ["Bob"]
    take_all(now + 29 * MINUTE)
    assert paged(incident) == ["Bob"]
    take_all(now + 30 * MINUTE)

    assert paged(incident) == ["Bob", "Carol"]
    assert said(incident, Kind.ESCALATED) == ["Step 1: paged Bob", "Step 2: paged Carol"]


def test_first_step_waits_for_its_delay(service: Service, bob: User, now: datetime) -> None:
    incident = escalating(service, now, policy_of((10, [bob])))

    take_all(now)
    assert (paged(incident), timer(incident)) == ([], now + 10 * MINUTE)
    take_all(now + 10 * MINUTE)

    assert paged(incident) == ["Bob"]


def test_every_target_of_a_step_is_paged_once(service: Service, now: datetime) -> None:
    people = [UserFactory(name=name) for name in ("Uma", "Vic", "Wes")]
    team = TeamFactory(name="Night", members=people[1:])
    schedule = ScheduleFactory(name="Primary", members=[people[0], people[1]])
    incident = escalating(service, now, policy_of((0, [people[1], schedule, team])))

    take_all(now)

    assert sorted(paged(incident)) == ["Uma", "Vic", "Wes"]
    assert said(incident, Kind.ESCALATED) == [
        "Step 1: paged Vic, Uma (Primary on call), Wes (team Night)"
    ]


def test_gaps_between_positions_do_no_harm(service: Service, bob: User, now: datetime) -> None:
    policy = policy_of((0, [bob]))
    PolicyStep.objects.update(position=7)
    incident = escalating(service, now, policy)

    take_all(now)

    assert paged(incident) == ["Bob"]


def test_team_pages_reach_only_active_members_who_want_them(
    service: Service, now: datetime
) -> None:
    loud, quiet = UserFactory(name="Loud"), UserFactory(name="Quiet")
    gone = UserFactory(name="Gone", status=User.Status.DISABLED)
    team = TeamFactory(members=[loud, quiet, gone])
    TeamMember.objects.filter(user=quiet).update(receives_pages=False)
    incident = escalating(service, now, policy_of((0, [team])))

    take_all(now)

    assert paged(incident) == ["Loud"]


def test_assignee_set_by_hand_is_paged_with_the_first_step(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (5, [carol]))
    incident = escalating(service, now, policy, assignee=eve)

    take_all(now)
    take_all(now + 5 * MINUTE)

    assert said(incident, Kind.ESCALATED) == [
        "Step 1: paged Bob, Eve (assignee)",
        "Step 2: paged Carol",
    ]


def test_nobody_is_assigned_by_being_paged(service: Service, bob: User, now: datetime) -> None:
    incident = escalating(service, now, policy_of((0, [bob])))

    take_all(now)

    incident.refresh_from_db()
    assert (incident.assignee, incident.team) == (None, None)


@pytest.mark.parametrize("stop", [acknowledge_incidents, resolve_incidents])
def test_acknowledge_and_resolve_stop_the_escalation(
    stop: object, service: Service, bob: User, carol: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (30, [carol])))
    take_all(now)

    stop(incident_ids=[incident.pk], actor=bob)  # type: ignore[operator]

    assert take_all(now + timedelta(days=1)) == 0
    assert paged(incident) == ["Bob"]


def test_only_unacknowledged_ones_of_three_go_on(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (30, [carol]))
    one, two, three = (escalating(service, now, policy) for _ in range(3))
    take_all(now)

    acknowledge_incidents(incident_ids=[two.pk], actor=bob)
    take_all(now + 30 * MINUTE)

    assert [paged(i)[1:] for i in (one, two, three)] == [["Carol"], [], ["Carol"]]


def test_after_an_outage_one_step_is_taken_and_the_timeline_says_how_late(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (15, [carol]), (15, [eve])))
    take_all(now)
    late = now + timedelta(hours=3, minutes=15)

    take_all(late)

    assert said(incident, Kind.ESCALATED)[1:] == ["Step 2, 3 h late: paged Carol"]
    assert timer(incident) == late + 15 * MINUTE
    entry = TimelineEntry.objects.filter(incident=incident).last()
    assert entry is not None
    assert entry.data["late_seconds"] == 3 * 3600


def test_an_outage_does_not_add_to_the_first_delay(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((10, [bob])))

    take_all(now + 12 * MINUTE)

    assert said(incident, Kind.ESCALATED) == ["Step 1, 2 min late: paged Bob"]


def test_all_steps_are_repeated_and_then_the_escalation_ends(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (10, [carol]), repeat_times=1, repeat_after_minutes=20)
    incident = escalating(service, now, policy)

    for minute in range(0, 120, 5):
        take_all(now + minute * MINUTE)

    assert said(incident) == [
        "Step 1: paged Bob",
        "Step 2: paged Carol",
        "Round 2, step 1: paged Bob",
        "Round 2, step 2: paged Carol",
        "Escalation ended: every step was taken 2 times and nobody acknowledged",
    ]
    causes = Notification.objects.filter(incident=incident).values_list("cause", flat=True)
    assert set(causes) == {"step:0:0:0", "step:0:0:1", "step:0:1:0", "step:0:1:1"}
    assert timer(incident) is None
    assert incident.escalation_run.state == EscalationRun.State.EXHAUSTED


def test_edits_of_the_policy_do_not_reach_a_running_escalation(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (10, [carol]))
    incident = escalating(service, now, policy)
    take_all(now)

    policy.steps.all().delete()
    PolicyStep.objects.create(policy=policy, position=1).targets.create(user=eve)
    take_all(now + 10 * MINUTE)

    assert paged(incident) == ["Bob", "Carol"]


def test_whoever_is_on_call_when_the_step_runs_is_paged(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    schedule = ScheduleFactory(name="Primary", members=[bob, carol])
    schedule.layers.update(rotation="hourly", starts_at=now)
    policy = policy_of((0, [schedule]), (60, [schedule]))
    incident = escalating(service, now, policy)

    take_all(now)
    take_all(now + 60 * MINUTE)

    assert paged(incident) == ["Bob", "Carol"]


# Starting anew


def test_withdrawn_acknowledgement_starts_again_at_the_first_step_with_a_fresh_copy(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (10, [carol]))
    incident = escalating(service, now, policy)
    take_all(now)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    policy.steps.get(position=1).targets.update(user=eve)

    unacknowledge_incident(incident_id=incident.pk, actor=bob)
    engine.run_due_steps()

    # Bob acknowledged and so became the assignee, who is paged with the first step.
    assert said(incident, Kind.ESCALATED)[1:] == ["Step 1: paged Eve, Bob (assignee)"]
    assert EscalationRun.objects.get().generation == 1


def test_withdrawn_acknowledgement_starts_again_after_the_end(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob])))
    take_all(now)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    unacknowledge_incident(incident_id=incident.pk, actor=bob)
    engine.run_due_steps()

    assert paged(incident) == ["Bob", "Bob"]


def test_service_moved_to_another_policy_starts_there_and_the_old_steps_are_dead(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (10, [carol])))
    take_all(now)
    service.escalation_policy = policy_of((0, [eve]))
    service.save()

    take_all(now + 10 * MINUTE)

    assert paged(incident) == ["Bob", "Eve"]


def test_resolved_incident_with_the_same_key_does_not_disturb_the_next(
    service: Service, bob: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]))
    first = escalating(service, now, policy, dedup_key="disk")
    take_all(now)
    resolve_incidents(incident_ids=[first.pk], actor=bob)
    second = escalating(service, now, policy, dedup_key="disk")

    take_all(now)

    assert paged(second) == ["Bob"]


def test_pages_are_written_with_the_database_clock_when_no_time_is_given(
    service: Service, bob: User, now: datetime
) -> None:
    later = escalating(service, now + timedelta(hours=1), policy_of((0, [bob])))
    due = escalating(service, now - timedelta(seconds=1))

    assert engine.run_due_steps() == 1

    assert (paged(due), paged(later)) == (["Bob"], [])
    assert Incident.objects.get(pk=due.pk).version == 2
