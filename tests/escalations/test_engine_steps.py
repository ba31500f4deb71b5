"""What a step may ask for: urgency, turns, hours, conditions; and how a policy ends."""

from collections import Counter
from datetime import datetime, time, timedelta

import pytest

from escalations.models import EscalationPolicy, EscalationRun, PolicyStep
from escalations.selectors import steps_of
from escalations.services.manual import escalate_incidents
from escalations.snapshots import snapshot_of
from incidents.models import Alert, Incident, Service
from notifications.models import Notification
from opsknight.models import User
from tests.escalations.walk import MINUTE, Kind, escalating, paged, policy_of, said, take_all, timer
from tests.factories import (
    DestinationFactory,
    LayerMember,
    ScheduleFactory,
    TeamFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


# Targets


def test_leads_only_pages_the_lead_of_the_team(service: Service, bob: User, now: datetime) -> None:
    team = TeamFactory(name="Night", lead=bob, members=[bob, UserFactory()])
    policy = policy_of((0, [{"team": team, "leads_only": True}]))
    incident = escalating(service, now, policy)

    take_all(now)

    assert said(incident, Kind.ESCALATED) == ["Step 1: paged Bob (lead of Night)"]


def test_run_copies_every_kind_of_target_as_pages_show_it(
    service: Service, bob: User, now: datetime
) -> None:
    nameless = UserFactory(name="", email="x@example.com")
    team = TeamFactory(name="Night", lead=bob, members=[bob])
    led = {"team": TeamFactory(lead=bob), "leads_only": True}
    targets = [bob, nameless, team, led, ScheduleFactory()]
    policy = policy_of((0, [*targets, DestinationFactory()]), (5, []), (5, [bob]))
    policy.fallback_user = nameless
    policy.save()
    incident = escalating(service, now, policy)

    take_all(now)

    run = EscalationRun.objects.get(incident=incident)
    assert run.steps == [snapshot_of(step) for step in steps_of([policy.pk])]
    assert run.fallback == {"kind": "user", "id": nameless.pk, "label": "x@example.com"}


def test_team_without_a_lead_is_named(service: Service, now: datetime) -> None:
    team = TeamFactory(name="Night", members=[UserFactory()])
    incident = escalating(service, now, policy_of((0, [{"team": team, "leads_only": True}])))

    take_all(now)

    assert "the team Night has no lead" in said(incident, Kind.NOBODY_TO_PAGE)[0]


def test_everybody_on_call_in_a_schedule_is_paged(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    schedule = ScheduleFactory(name="Primary", members=[bob])
    LayerMember.objects.create(layer=schedule.layers.get(), turn=1, user=carol)
    incident = escalating(service, now, policy_of((0, [schedule])))

    take_all(now)

    assert said(incident, Kind.ESCALATED) == ["Step 1: paged Bob, Carol (Primary on call)"]


def test_destination_is_paged_beside_people(service: Service, bob: User, now: datetime) -> None:
    channel = DestinationFactory(name="Ops channel")
    incident = escalating(service, now, policy_of((0, [bob, channel]), (5, [bob])))

    take_all(now)

    assert said(incident, Kind.ESCALATED) == ["Step 1: paged Bob, Ops channel"]
    assert Notification.objects.filter(destination=channel, incident=incident).count() == 1


def test_destination_alone_is_enough_where_a_step_names_nothing_else(
    service: Service, bob: User, now: datetime
) -> None:
    policy = policy_of((0, [DestinationFactory(name="Ops channel")]), (5, [bob]))
    incident = escalating(service, now, policy)

    take_all(now)

    assert timer(incident) == now + 5 * MINUTE


def test_destination_does_not_stand_in_for_people_who_are_not_there(
    service: Service, bob: User, now: datetime
) -> None:
    policy = policy_of((0, [DestinationFactory(), ScheduleFactory(name="Night")]), (5, [bob]))
    incident = escalating(service, now, policy)

    take_all(now)

    assert paged(incident) == ["Bob"]


@pytest.mark.parametrize("gone", ["deleted", "switched off"])
def test_destination_that_is_gone_is_named_and_the_next_step_follows_at_once(
    gone: str, service: Service, bob: User, now: datetime
) -> None:
    channel = DestinationFactory(name="Ops channel")
    incident = escalating(service, now, policy_of((1, [channel]), (5, [bob])))
    take_all(now)
    if gone == "deleted":
        PolicyStep.objects.all().delete()
        channel.delete()
    else:
        type(channel).objects.update(enabled=False)

    take_all(now + MINUTE)

    assert said(incident)[:2] == [
        f"Step 1: nobody to page, because the destination Ops channel "
        f"{'was deleted' if gone == 'deleted' else 'is switched off'}",
        "Step 2: paged Bob",
    ]


# Urgency


def test_steps_of_another_urgency_are_gone_past_without_a_wait(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    policy = policy_of(
        (0, [bob], {"urgency": "high"}), (0, [carol], {"urgency": "other"}), (10, [eve])
    )
    urgent = escalating(service, now, policy)
    calm = escalating(service, now, urgency="low")

    take_all(now)
    at_once = [paged(urgent), paged(calm)]
    take_all(now + 10 * MINUTE)

    assert at_once == [["Bob"], ["Carol"]]
    assert [paged(urgent), paged(calm)] == [["Bob", "Eve"], ["Carol", "Eve"]]


def test_first_step_of_the_urgency_waits_for_its_own_delay(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [bob], {"urgency": "high"}), (30, [carol]))
    incident = escalating(service, now, policy, urgency="medium")

    take_all(now)

    assert (paged(incident), timer(incident)) == ([], now + 30 * MINUTE)


def test_policy_without_a_step_for_the_urgency_pages_the_fallback(
    service: Service, bob: User, now: datetime
) -> None:
    policy = policy_of((0, [bob], {"urgency": "high"}))
    incident = escalating(service, now, policy, urgency="low")

    take_all(now)

    assert paged(incident) == ["Carol"]
    assert "the step is for incidents of high urgency only" in said(incident)[0]


# In turn


def test_people_in_turn_are_paged_one_per_incident_and_equally_often(
    service: Service, now: datetime
) -> None:
    people = [UserFactory(name=name) for name in ("Uma", "Vic", "Wes")]
    policy = policy_of((0, [*people[:2], TeamFactory(members=people)], {"is_round_robin": True}))
    incidents = [escalating(service, now, policy) for _ in range(30)]

    take_all(now)

    each = [paged(incident) for incident in incidents]
    assert {len(names) for names in each} == {1}
    assert Counter(names[0] for names in each) == {"Uma": 10, "Vic": 10, "Wes": 10}


def test_repetition_pages_the_next_in_turn(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [bob, carol], {"is_round_robin": True}), repeat_times=1)
    incident = escalating(service, now, policy)

    take_all(now)
    take_all(now + HOUR)

    assert paged(incident) == ["Bob", "Carol"]
    assert said(incident, Kind.ESCALATED)[0] == "Step 1: paged Bob (in turn)"


def test_turns_go_on_when_their_step_was_deleted(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((1, [bob, carol], {"is_round_robin": True}))
    incident = escalating(service, now, policy)
    take_all(now)
    policy.steps.all().delete()

    take_all(now + MINUTE)

    assert len(paged(incident)) == 1


# Hours


MONDAY_NOON = datetime.fromisoformat("2026-03-02T12:00:00+01:00")


def in_office_hours(*people: User) -> EscalationPolicy:
    """Somebody else at night."""
    window = {"window_weekdays": 0b001_1111, "window_starts": time(9), "window_ends": time(17)}
    return policy_of(
        (0, [people[0]], window), (15, [people[1]]), time_zone="Europe/Vienna", name="Office"
    )


def test_step_is_taken_within_its_hours_only(service: Service, bob: User, carol: User) -> None:
    policy = in_office_hours(bob, carol)
    day = escalating(service, MONDAY_NOON, policy)
    night = escalating(service, MONDAY_NOON + 10 * HOUR)

    take_all(MONDAY_NOON)
    take_all(MONDAY_NOON + 10 * HOUR)

    assert said(day)[0] == "Step 1: paged Bob"
    assert said(night)[:2] == [
        "Step 1: nobody to page, because the step is only for Mon to Fri 09:00 to 17:00 "
        "(Europe/Vienna)",
        "Step 2: paged Carol",
    ]


@pytest.mark.parametrize(
    ("at", "is_inside"),
    [
        ("2026-03-06T22:00:00+01:00", True),  # Friday, when it begins
        ("2026-03-07T05:59:59+01:00", True),  # the night after
        ("2026-03-07T06:00:00+01:00", False),  # its end is outside
        ("2026-03-07T23:00:00+01:00", False),  # Saturday begins none
        ("2026-03-06T05:00:00+01:00", False),  # Thursday began none
        ("2026-10-23T22:30:00+02:00", True),  # the wall clock counts in summer, too
    ],
)
def test_overnight_hours_belong_to_the_day_on_which_they_begin(
    at: str, is_inside: bool, service: Service, bob: User
) -> None:
    moment = datetime.fromisoformat(at)
    window = {"window_weekdays": 0b001_0000, "window_starts": time(22), "window_ends": time(6)}
    policy = policy_of((0, [bob], window), time_zone="Europe/Vienna")
    incident = escalating(service, moment, policy)

    take_all(moment)

    assert ("Bob" in paged(incident)) is is_inside


# Conditions


def alerts(incident: Incident, number: int, at: datetime) -> None:
    Alert.objects.bulk_create(
        Alert(
            service=incident.service,
            incident=incident,
            action="trigger",
            dedup_key="disk",
            summary="Disk full",
            severity="error",
            received_at=at,
        )
        for _ in range(number)
    )


def test_step_holds_until_many_alerts_came_and_says_so_once(
    service: Service, bob: User, now: datetime
) -> None:
    condition = {"condition_alerts": 3, "condition_minutes": 10}
    incident = escalating(service, now, policy_of((0, [bob], condition)))
    alerts(incident, 3, now - MINUTE)
    alerts(incident, 5, now - 11 * MINUTE)

    take_all(now)
    take_all(now + MINUTE)
    held = paged(incident), timer(incident), said(incident)
    alerts(incident, 1, now + MINUTE)
    take_all(now + 2 * MINUTE)

    assert held == (
        [],
        now + 2 * MINUTE,
        ["Step 1 waits until more than 3 alerts came within 10 min; it is 3 now"],
    )
    assert paged(incident) == ["Bob"]


def test_step_that_holds_is_taken_when_somebody_asks_for_it(
    service: Service, bob: User, now: datetime
) -> None:
    condition = {"condition_alerts": 3, "condition_minutes": 10}
    incident = escalating(service, now, policy_of((0, [bob], condition)))
    take_all(now)

    escalate_incidents(incidents=[incident], step=None, actor=bob, now=now)
    take_all(now)

    assert said(incident)[1:3] == ["Escalated to step 1 by Bob", "Step 1: paged Bob"]


def test_step_that_holds_after_steps_that_reached_nobody_pages_the_fallback_once(
    service: Service, bob: User, now: datetime
) -> None:
    condition = {"condition_alerts": 3, "condition_minutes": 10}
    policy = policy_of((0, []), (0, [bob], condition), fallback_user=bob)
    incident = escalating(service, now, policy)

    take_all(now)
    take_all(now + MINUTE)

    assert paged(incident) == ["Bob"]
    assert said(incident) == [
        "Step 1: nobody to page, because the step has no targets",
        "Step 2 waits until more than 3 alerts came within 10 min; it is 0 now",
        "Paged Bob instead",
    ]
