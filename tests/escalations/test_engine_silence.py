"""Nobody to page: said exactly, never a loop, never silence."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from escalations.models import EscalationPolicy, EscalationRun, PolicyStep
from incidents.models import Service
from incidents.services.lifecycle import acknowledge_incidents, unacknowledge_incident
from notifications.models import Absence
from opsknight.models import Team, TeamMember, User
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
from tests.factories import (
    ContactMethodFactory,
    NotificationRuleFactory,
    ScheduleFactory,
    ScheduleLayerFactory,
    ServiceFactory,
    TeamFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


def without_steps() -> EscalationPolicy:
    return policy_of(name="Empty")


def step_without_targets() -> EscalationPolicy:
    return policy_of((0, []))


def schedule_without_layers() -> EscalationPolicy:
    return policy_of((0, [ScheduleFactory(name="Primary")]))


def layer_without_people() -> EscalationPolicy:
    schedule = ScheduleFactory(name="Primary")
    ScheduleLayerFactory(schedule=schedule)
    return policy_of((0, [schedule]))


def layer_that_ended() -> EscalationPolicy:
    schedule = ScheduleFactory(name="Primary", members=[UserFactory()])
    layer = schedule.layers.get()
    schedule.layers.update(ends_at=layer.starts_at + MINUTE)
    return policy_of((0, [schedule]))


def broken_zone() -> EscalationPolicy:
    people = [UserFactory(), UserFactory()]
    schedule = ScheduleFactory(name="Primary", members=people, time_zone="Mars/Olympus")
    return policy_of((0, [schedule]))


def disabled_user() -> EscalationPolicy:
    return policy_of((0, [UserFactory(name="Dora", status=User.Status.DISABLED)]))


def invited_user() -> EscalationPolicy:
    return policy_of((0, [UserFactory(name="Ivan", status=User.Status.INVITED)]))


def team_without_members() -> EscalationPolicy:
    return policy_of((0, [TeamFactory(name="Ghosts")]))


def user_with_delayed_rules_only() -> EscalationPolicy:
    slow = UserFactory(name="Slow")
    NotificationRuleFactory(contact_method=ContactMethodFactory(user=slow), delay_minutes=5)
    return policy_of((0, [slow]))


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (without_steps, "Nobody to page, because the policy Empty has no steps"),
        (step_without_targets, "the step has no targets"),
        (schedule_without_layers, "the schedule Primary has no layers"),
        (layer_without_people, "the schedule Primary has nobody in its rotations"),
        (layer_that_ended, "nobody is on call in Primary"),
        (broken_zone, "the schedule Primary cannot be calculated"),
        (disabled_user, "Dora is not active: the account is disabled"),
        (invited_user, "Ivan is invited but has not accepted yet"),
        (team_without_members, "no one in the team Ghosts receives its pages"),
        (user_with_delayed_rules_only, "Slow has no immediate way to be paged"),
    ],
)
def test_timeline_says_exactly_why_nobody_was_paged_and_the_team_is_paged_instead(
    policy: Callable[[], EscalationPolicy], reason: str, service: Service, now: datetime
) -> None:
    incident = escalating(service, now, policy())

    take_all(now)

    (text,) = said(incident, Kind.NOBODY_TO_PAGE)
    assert reason in text
    assert said(incident, Kind.ESCALATED) == ["Paged Carol (team Payments) instead"]
    assert "Carol" in paged(incident)


def test_service_without_policy_pages_its_team_once_and_says_so(
    service: Service, now: datetime
) -> None:
    incident = escalating(service, now)

    take_all(now)
    take_all(now + timedelta(days=1))

    assert paged(incident) == ["Carol"]
    assert said(incident) == [
        "Nobody to page, because the service Checkout has no escalation policy",
        "Paged Carol (team Payments) instead",
    ]
    assert timer(incident) is None
    assert incident.escalation_run.state == EscalationRun.State.NO_POLICY


def test_service_without_policy_and_team_pages_the_administrators(
    alice: User, bob: User, now: datetime
) -> None:
    incident = escalating(ServiceFactory(name="Orphan"), now)

    take_all(now)

    assert said(incident)[1:] == ["Paged Alice (administrator) instead"]


def test_team_that_receives_nothing_falls_back_to_the_administrators(
    service: Service, team: Team, alice: User, now: datetime
) -> None:
    TeamMember.objects.filter(team=team).update(receives_pages=False)
    incident = escalating(service, now)

    take_all(now)

    assert paged(incident) == ["Alice"]
    assert said(incident)[1:] == [
        "Paged Alice (administrator) instead; no one in the team Payments receives its pages"
    ]


def test_nobody_at_all_is_said_and_does_no_harm(now: datetime) -> None:
    incident = escalating(ServiceFactory(name="Orphan"), now)

    take_all(now)

    assert said(incident)[1:] == [
        "Nobody could be paged instead, because there is no active administrator"
    ]


def test_step_with_nobody_is_followed_at_once(service: Service, bob: User, now: datetime) -> None:
    empty = ScheduleFactory(name="Night")
    incident = escalating(service, now, policy_of((0, [empty]), (30, [bob])))

    take_all(now)

    assert said(incident)[:2] == [
        "Step 1: nobody to page, because the schedule Night has no layers",
        "Step 2: paged Bob",
    ]
    assert paged(incident) == ["Bob"]


def test_rounds_with_nobody_count_and_wait(service: Service, now: datetime) -> None:
    policy = policy_of((0, []), (0, []), repeat_times=2, repeat_after_minutes=5)
    incident = escalating(service, now, policy)

    assert take_all(now) == 2
    assert timer(incident) == now + 5 * MINUTE
    assert take_all(now + 5 * MINUTE) == 2
    assert take_all(now + 10 * MINUTE) == 2

    assert timer(incident) is None
    assert paged(incident) == ["Carol"] * 3  # the fallback, at the end of every round
    assert said(incident, Kind.ESCALATION_ENDED) != []


def test_fallback_stays_quiet_when_a_step_reached_somebody(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (5, [])))

    take_all(now)
    take_all(now + 5 * MINUTE)

    assert paged(incident) == ["Bob"]


def test_targets_that_reach_nobody_are_named_beside_those_that_were_paged(
    service: Service, bob: User, now: datetime
) -> None:
    gone = UserFactory(name="Dora", status=User.Status.DISABLED)
    incident = escalating(service, now, policy_of((0, [gone, bob])))

    take_all(now)

    assert said(incident, Kind.ESCALATED) == [
        "Step 1: paged Bob; Dora is not active: the account is disabled"
    ]


def test_turn_of_somebody_who_left_passes_to_the_next(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    schedule = ScheduleFactory(name="Primary", members=[bob, carol])
    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)
    incident = escalating(service, now, policy_of((0, [schedule])))

    take_all(now)

    assert said(incident) == [
        "Step 1: paged Carol (Primary on call)",
        "Escalation ended: every step was taken once and nobody acknowledged",
    ]


def test_rotation_that_starts_in_the_future_has_somebody_on_call(
    service: Service, bob: User, now: datetime
) -> None:
    schedule = ScheduleFactory(members=[bob])
    schedule.layers.update(starts_at=now + timedelta(days=30))
    incident = escalating(service, now, policy_of((0, [schedule])))

    take_all(now)

    assert paged(incident) == ["Bob"]


# Things deleted in mid-escalation


def test_deleted_user_is_named_and_the_escalation_goes_on(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    zoe = UserFactory(name="Zoe")
    incident = escalating(service, now, policy_of((0, [bob]), (5, [zoe]), (5, [carol])))
    take_all(now)

    zoe.delete()
    take_all(now + 5 * MINUTE)

    assert said(incident)[1:3] == [
        "Step 2: nobody to page, because the account of Zoe was deleted",
        "Step 3: paged Carol",
    ]


def test_deleted_schedule_and_team_are_named(service: Service, bob: User, now: datetime) -> None:
    schedule, team = ScheduleFactory(name="Night"), TeamFactory(name="Owls")
    incident = escalating(service, now, policy_of((0, [bob]), (5, [schedule, team])))
    take_all(now)

    PolicyStep.objects.filter(position=2).delete()
    schedule.delete()
    team.delete()
    take_all(now + 5 * MINUTE)

    assert said(incident, Kind.NOBODY_TO_PAGE) == [
        "Step 2: nobody to page, because the schedule Night was deleted; the team Owls was deleted"
    ]


def test_deleted_policy_leaves_its_copy_running(
    service: Service, bob: User, eve: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (5, [eve]))
    incident = escalating(service, now, policy)
    take_all(now)

    Service.objects.update(escalation_policy=None)
    policy.delete()
    take_all(now + 5 * MINUTE)

    assert paged(incident) == ["Bob", "Eve"]


# Poison


def spoil(incident_id: int) -> None:
    """A run that no pass can read."""
    EscalationRun.objects.filter(incident_id=incident_id).update(steps=[{"no": "delay"}] * 2)


def test_poisoned_incident_fails_alone_and_is_tried_again_later(
    service: Service, bob: User, carol: User, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    policy = policy_of((0, [bob]), (10, [bob]))
    good, bad, fine = (escalating(service, now, policy) for _ in range(3))
    take_all(now)
    spoil(bad.pk)
    later = now + 10 * MINUTE

    assert take_all(later) == 3

    assert [paged(i) for i in (good, fine)] == [["Bob", "Bob"]] * 2
    assert said(bad)[1:] == [
        "Nobody to page, because the step failed (KeyError, see the log of the engine); "
        "it is tried again in 30 s",
        "Paged Carol (team Payments) instead",
    ]
    assert timer(bad) == later + timedelta(seconds=30)
    assert "KeyError" in caplog.text


def test_poison_is_tried_with_growing_pauses_and_pages_the_team_once(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (10, [bob])))
    take_all(now)
    spoil(incident.pk)
    at, pauses = now + 10 * MINUTE, []

    for _ in range(7):
        take_all(at)
        due = timer(incident)
        assert due is not None
        pauses.append(int((due - at).total_seconds()))
        at = due

    assert pauses == [30, 60, 120, 240, 480, 900, 900]
    assert paged(incident) == ["Bob", "Carol"]


def test_repaired_poison_goes_on_where_it_stood(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (10, [carol])))
    take_all(now)
    steps = EscalationRun.objects.get().steps
    spoil(incident.pk)
    take_all(now + 10 * MINUTE)

    EscalationRun.objects.update(steps=steps)
    take_all(now + 11 * MINUTE)

    assert said(incident, Kind.ESCALATED)[-1] == "Step 2: paged Carol"


def test_poison_pages_the_team_again_after_its_acknowledgement_was_withdrawn(
    service: Service, bob: User, now: datetime
) -> None:
    then = now - 20 * MINUTE
    incident = escalating(service, then, policy_of((0, [bob]), (10, [bob])))
    take_all(then)
    spoil(incident.pk)
    take_all(then + 10 * MINUTE)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    unacknowledge_incident(incident_id=incident.pk, actor=bob)
    back = timezone.now()
    take_all(back)
    spoil(incident.pk)

    take_all(back + 11 * MINUTE)

    assert paged(incident) == ["Bob", "Carol", "Bob", "Carol"]


def test_a_step_names_the_substitute_of_who_is_away(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    Absence.objects.create(
        user=bob, substitute=carol, begins_at=now - MINUTE, ends_at=now + 60 * MINUTE
    )
    incident = escalating(service, now, policy_of((0, [bob])))

    take_all(now)

    assert "Step 1: paged Carol in place of Bob" in said(incident)
    assert paged(incident) == ["Carol"]
