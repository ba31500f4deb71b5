"""The plan of an incident and the dry run of a policy say what the engine does."""

from datetime import datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from escalations.dry_run import DryMoment, dry_run, dry_run_of_draft
from escalations.models import EscalationPolicy, LayerMember, PolicyStep
from escalations.plan import Phase, plan_of
from escalations.services.manual import escalate_incidents
from escalations.services.policy_steps import StepInput, TargetInput
from incidents.models import Incident, Service
from incidents.services.lifecycle import acknowledge_incidents
from notifications.models import Absence, Notification, PagingPreferences
from opsknight.models import Team, User
from tests.escalations.walk import MINUTE, escalating, policy_of, take_all, timer
from tests.factories import (
    ContactMethodFactory,
    DestinationFactory,
    NotificationRuleFactory,
    ScheduleFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
NIGHT = {"window_weekdays": 127, "window_starts": time(22), "window_ends": time(6)}


def foretold(moments: list[DryMoment]) -> list[tuple[datetime, str]]:
    """Who is paged when, in a dry run."""
    return sorted({(m.at, one.name) for m in moments for one, _ in m.heard if one.kind == "user"})


def happened(incident: Incident, now: datetime) -> list[tuple[datetime, str]]:
    """Let the engine go on to the end; who was paged when."""
    at: datetime | None = now
    while at is not None:
        take_all(at)
        at = timer(incident)
    pages = Notification.objects.filter(incident=incident, channel="in_app")
    return sorted(pages.values_list("created_at", "user__name"))


@pytest.fixture
def policies(bob: User, carol: User, eve: User, team: Team) -> dict[str, EscalationPolicy]:
    """One for everything a policy may ask for."""
    rota = ScheduleFactory(name="Primary", members=[bob, carol])
    rota.layers.update(rotation="hourly")
    nobody = ScheduleFactory(name="Night")
    slow = UserFactory(name="Slow")
    NotificationRuleFactory(contact_method=ContactMethodFactory(user=slow), delay_minutes=5)
    return {
        "slow": policy_of((0, [slow]), (30, [bob]), (10, [slow])),
        "plain": policy_of((5, [bob]), (10, [team]), repeat_times=2, repeat_after_minutes=7),
        "schedule": policy_of((0, [rota]), (70, [rota]), (70, [rota])),
        "nobody first": policy_of((0, [nobody]), (30, [bob]), (10, [nobody]), (10, [eve])),
        "nobody at all": policy_of((0, [nobody]), (30, [nobody]), repeat_times=1),
        "urgency": policy_of(
            (0, [bob], {"urgency": "high"}), (5, [carol], {"urgency": "other"}), (5, [eve])
        ),
        "hours": policy_of((0, [bob], NIGHT), (5, [carol]), time_zone="Asia/Tokyo"),
        "in turn": policy_of((0, [bob, carol, eve], {"is_round_robin": True}), repeat_times=4),
        "fallback": policy_of((0, [bob]), (5, [nobody]), fallback_user=eve),
        "end": policy_of((0, [bob]), fallback_team=team, resolve_after_minutes=30),
        "empty": policy_of(),
    }


@pytest.mark.parametrize("urgency", ["high", "low"])
@pytest.mark.parametrize(
    "kind",
    [
        "plain",
        "schedule",
        "nobody first",
        "nobody at all",
        "urgency",
        "hours",
        "in turn",
        "fallback",
        "end",
        "slow",
    ],
)
def test_engine_does_what_the_dry_run_said(
    kind: str,
    urgency: str,
    policies: dict[str, EscalationPolicy],
    service: Service,
    now: datetime,
) -> None:
    PolicyStep.objects.update(robin_count=5)
    said = dry_run(policies[kind], now, urgency, service=service)

    incident = escalating(service, now, policies[kind], urgency=urgency)

    assert foretold(said) == happened(incident, now)


@pytest.mark.parametrize("kind", ["plain", "schedule", "nobody first", "fallback", "end"])
def test_plan_in_the_middle_says_what_is_still_to_come(
    kind: str, policies: dict[str, EscalationPolicy], service: Service, now: datetime
) -> None:
    incident = escalating(service, now, policies[kind])
    take_all(now)
    take_all(now + 5 * MINUTE)
    incident.refresh_from_db()
    before = set(Notification.objects.values_list("pk", flat=True))

    plan = plan_of(incident, now=now + 6 * MINUTE)
    happened(incident, now + 6 * MINUTE)

    later = Notification.objects.exclude(pk__in=before).filter(channel="in_app")
    ahead = {(m.at, one.name) for m in plan.ahead for one in m.heard}
    assert ahead == set(later.values_list("created_at", "user__name"))


def test_plan_shows_what_was_taken_and_what_is_next(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (10, [carol], NIGHT | {"is_round_robin": True}))
    incident = escalating(service, now, policy)
    take_all(now)
    incident.refresh_from_db()

    first, second = plan_of(incident, now=now).steps

    assert (first.taken is not None, first.at, first.is_next) == (True, None, False)
    assert (second.taken, second.at, second.is_next) == (None, now + 10 * MINUTE, True)
    assert second.limits == ("in turn", "every day 22:00 to 06:00 (UTC)")


def test_plan_says_when_an_acknowledgement_times_out(
    service: Service, bob: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), ack_timeout_minutes=30))
    take_all(now)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    incident.refresh_from_db()

    plan = plan_of(incident, now=now)

    assert plan.phase is Phase.STOPPED
    assert incident.acknowledged_at is not None
    assert plan.ack_times_out_at == incident.acknowledged_at + timedelta(minutes=30)


def test_plan_knows_what_was_escalated_by_hand(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (60, [carol])))
    take_all(now)
    escalate_incidents(incidents=[incident], step=1, actor=bob, now=now)
    incident.refresh_from_db()

    plan = plan_of(incident, now=now)

    assert [(m.step, m.at) for m in plan.ahead] == [(1, now), (2, now + 60 * MINUTE)]
    assert [entry.message for entry in plan.other] == ["Escalated to step 1 by Bob"]


def test_condition_is_said_and_taken_as_met(bob: User, now: datetime) -> None:
    policy = policy_of((0, [bob], {"condition_alerts": 5, "condition_minutes": 10}))

    (moment, *_) = dry_run(policy, now, "high")

    assert moment.notes == ("holds until more than 5 alerts came within 10 min",)
    assert [one.name for one, _ in moment.heard] == ["Bob"]


def test_personal_rules_are_told_with_their_waits(bob: User, now: datetime) -> None:
    method = ContactMethodFactory(user=bob)
    for delay in (0, 15):
        NotificationRuleFactory(user=bob, contact_method=method, delay_minutes=delay)

    (moment,) = dry_run(policy_of((0, [bob])), now, "high")

    ((_, ways),) = moment.heard
    assert [(way.channel, way.wait_minutes) for way in ways] == [("email", 0), ("email", 15)]


def test_destination_is_told_without_personal_rules(now: datetime) -> None:
    (moment,) = dry_run(policy_of((0, [DestinationFactory(name="Ops")])), now, "high")

    ((place, ways),) = moment.heard
    assert (place.kind, place.name, ways) == ("destination", "Ops", ())


def test_draft_is_tried_out_and_not_saved(alice: User, bob: User, eve: User, now: datetime) -> None:
    policy = policy_of((0, [bob]))
    steps = [StepInput(delay_minutes=3, targets=(TargetInput("user", eve.pk),))]

    (moment,) = dry_run_of_draft(
        policy=policy, values={}, steps=steps, actor=alice, at=now, urgency="high"
    )

    assert (moment.at, moment.heard[0][0].name) == (now + 3 * MINUTE, "Eve")
    assert policy.steps.get().targets.get().user == bob


def test_policy_that_repeats_for_ever_is_cut(bob: User, now: datetime) -> None:
    policy = policy_of(*[(1, [bob])] * 50, repeat_times=100)

    assert len(dry_run(policy, now, "high")) == 200


@pytest.mark.parametrize("number", [1, 10])
def test_queries_of_a_plan_do_not_grow_with_its_steps(
    number: int, service: Service, bob: User, now: datetime
) -> None:
    schedules = [ScheduleFactory(members=[bob, UserFactory()]) for _ in range(number)]
    policy = policy_of(*[(5, [schedule]) for schedule in schedules], repeat_times=3)
    incident = escalating(service, now, policy)
    take_all(now + 5 * MINUTE)
    incident = Incident.objects.select_related("service__team").get()

    with CaptureQueriesContext(connection) as queries:
        plan_of(incident, now=now)

    # The run; its entries; teams; schedules, layers and what is in them, overrides, temporary
    # schedules (7); users; who is away, their preferences, their rules.
    assert len(queries) == 14
    assert LayerMember.objects.exists()


def test_who_is_away_is_told_with_the_substitutes_ways(bob: User, eve: User, now: datetime) -> None:
    Absence.objects.create(
        user=bob, substitute=eve, begins_at=now - MINUTE, ends_at=now + 60 * MINUTE
    )
    hook = ContactMethodFactory(user=eve, channel="webhook", address="https://x.example.com/")
    NotificationRuleFactory(contact_method=hook)

    (moment,) = dry_run(policy_of((0, [bob])), now, "high")

    ((_, ways),) = moment.heard
    assert [way.channel for way in ways] == ["webhook"]
    assert any("Eve is paged in place of Bob" in note for note in moment.notes)


def test_the_urgency_decides_which_rules_are_told(bob: User, now: datetime) -> None:
    method = ContactMethodFactory(user=bob, channel="sms", address="+436641234567")
    NotificationRuleFactory(contact_method=method, urgency="other", delay_minutes=5)

    (moment,) = dry_run(policy_of((0, [bob])), now, "high")
    (calm, *_) = dry_run(policy_of((0, [bob])), now, "low")

    assert [way.channel for way in moment.heard[0][1]] == ["email"]
    assert [(way.channel, way.wait_minutes) for way in calm.heard[0][1]] == [("sms", 5)]
    assert calm.problems == ("Bob has no immediate way to be paged",)


def test_quiet_hours_are_told_and_hold_nothing_up_that_may_wait(bob: User, now: datetime) -> None:
    night = now.replace(hour=2, minute=0, second=0, microsecond=0)
    PagingPreferences.objects.create(
        user=bob, quiet_up_to="low", quiet_from=time(1), quiet_until=time(7)
    )

    (moment,) = dry_run(policy_of((0, [bob])), night, "low")

    assert moment.heard[0][1][0].held_until == night.replace(hour=7)
    assert moment.problems == ()
