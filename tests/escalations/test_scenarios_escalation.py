"""Scenarios of escalation and maintenance; each test is named after its row."""

from datetime import datetime, timedelta

import pytest

from escalations.models import EscalationPolicy, EscalationRun, PolicyStep
from escalations.services import engine
from escalations.services.deletion import delete_policy
from escalations.services.manual import escalate_incidents
from incidents.models import Incident, Service, TimelineEntry
from incidents.services.catalog import update_service
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from incidents.services.maintenance import end_maintenance, start_maintenance
from notifications.models import Notification
from opsknight.errors import Conflict
from opsknight.models import User
from tests.escalations.walk import MINUTE, Kind, escalating, paged, policy_of, said, take_all, timer
from tests.factories import (
    ContactMethodFactory,
    NotificationRuleFactory,
    ScheduleFactory,
    ScheduleLayerFactory,
    ServiceFactory,
    UserFactory,
)
from tests.incidents.storms import send

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def escalate(*incidents: Incident, now: datetime, step: int | None = None) -> None:
    """By hand, and the pass that follows."""
    escalate_incidents(incidents=incidents, step=step, actor=None, now=now)
    take_all(now)


def test_b1_step_2_is_paged_when_nobody_acknowledges_in_time(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (30, [carol])))
    take_all(now)

    take_all(now + 29 * MINUTE)
    before = paged(incident)
    take_all(now + 30 * MINUTE)

    assert (before, paged(incident)) == (["Bob"], ["Bob", "Carol"])


def test_b2_all_three_people_of_a_step_are_paged(service: Service, now: datetime) -> None:
    people = [UserFactory(name=name) for name in ("Uma", "Vic", "Wes")]
    incident = escalating(service, now, policy_of((0, people)))

    take_all(now)

    assert paged(incident) == ["Uma", "Vic", "Wes"]


def test_b3_escalating_an_acknowledged_incident_pages_step_2_and_triggers_it_again(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (30, [carol])))
    take_all(now)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    take_all(now + HOUR)
    before = paged(incident)

    escalate(incident, now=now + HOUR)

    incident.refresh_from_db()
    assert before == ["Bob"]
    assert paged(incident) == ["Bob", "Carol"]
    assert incident.status == Incident.Status.TRIGGERED


def test_b4_hole_in_the_numbers_of_steps_does_no_harm(
    service: Service, bob: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]))
    PolicyStep.objects.update(position=4)
    incident = escalating(service, now, policy)

    take_all(now)

    assert paged(incident) == ["Bob"]


def test_b5_service_moved_to_another_policy_pages_step_1_there_at_once_and_again_when_moved_back(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    first, second = policy_of((0, [bob]), (60, [carol])), policy_of((0, [eve]), (90, [carol]))
    incident = escalating(service, now, first)
    engine.run_due_steps()

    update_service(service=service, values={"escalation_policy": second}, actor=None)
    engine.run_due_steps()
    moved = paged(incident)
    update_service(service=service, values={"escalation_policy": first}, actor=None)
    engine.run_due_steps()

    assert (moved, paged(incident)) == (["Bob", "Eve"], ["Bob", "Eve", "Bob"])


def test_b6_policies_that_reach_nobody_crash_nothing_and_other_services_page(
    service: Service, bob: User, now: datetime
) -> None:
    empty_layer = ScheduleFactory()
    ScheduleLayerFactory(schedule=empty_layer)
    hollow: list[EscalationPolicy] = [
        policy_of(name="Empty"),
        policy_of((0, [])),
        policy_of((0, [ScheduleFactory()])),
        policy_of((0, [empty_layer])),
    ]
    silent = [escalating(ServiceFactory(), now, policy) for policy in hollow]
    good = escalating(service, now, policy_of((0, [bob])))

    take_all(now)

    assert paged(good) == ["Bob"]
    assert all(said(incident, Kind.NOBODY_TO_PAGE) for incident in silent)


def test_b6_escalating_an_empty_policy_says_what_to_do(service: Service, now: datetime) -> None:
    incident = escalating(service, now, policy_of(name="Empty"))
    take_all(now)

    with pytest.raises(Conflict, match=r"The policy Empty has no steps.*Add a step first"):
        escalate(incident, now=now)


def test_b7_rotation_that_starts_in_the_future_has_its_member_on_call(
    service: Service, bob: User, now: datetime
) -> None:
    schedule = ScheduleFactory(members=[bob])
    schedule.layers.update(starts_at=now + timedelta(days=30))
    incident = escalating(service, now, policy_of((0, [schedule])))

    take_all(now)

    assert paged(incident) == ["Bob"]


def nobody_on_call(now: datetime) -> EscalationPolicy:
    schedule = ScheduleFactory(name="Primary", members=[UserFactory(), UserFactory()])
    schedule.layers.update(ends_at=now - MINUTE, starts_at=now - HOUR)
    return policy_of((0, [schedule]))


def no_immediate_rule(now: datetime) -> EscalationPolicy:
    slow = UserFactory(name="Slow")
    NotificationRuleFactory(contact_method=ContactMethodFactory(user=slow), delay_minutes=5)
    return policy_of((0, [slow]))


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (nobody_on_call, "nobody is on call in Primary"),
        (lambda now: policy_of(name="Empty"), "the policy Empty has no steps"),
        (no_immediate_rule, "Slow has no immediate way to be paged"),
    ],
)
def test_b8_timeline_states_exactly_why_nobody_was_paged(
    policy: object, reason: str, service: Service, now: datetime
) -> None:
    incident = escalating(service, now, policy(now))  # type: ignore[operator]

    take_all(now)

    (text,) = said(incident, Kind.NOBODY_TO_PAGE)
    assert reason in text


def test_b9_policy_with_two_steps_is_deleted_and_leaves_nothing(bob: User) -> None:
    policy = policy_of((0, [bob]), (5, [bob]))

    delete_policy(policy=policy)

    assert not EscalationPolicy.objects.exists()
    assert not PolicyStep.objects.exists()


def test_b10_after_an_upgrade_taken_steps_are_not_repeated_and_the_others_are_taken(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (30, [carol])))
    take_all(now)
    run = EscalationRun.objects.get()
    older = [{k: step[k] for k in ("delay_minutes", "targets")} for step in run.steps]
    EscalationRun.objects.update(steps=older)  # as an older version had copied them

    take_all(now + 30 * MINUTE)

    assert paged(incident) == ["Bob", "Carol"]


def test_b11_timeline_has_everything_in_order(service: Service, bob: User, now: datetime) -> None:
    service.escalation_policy = policy_of((0, [bob]), (30, [bob]))
    service.save(update_fields=["escalation_policy"])
    send(service, "disk")
    incident = Incident.objects.get()
    engine.run_due_steps()

    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    escalate_incidents(incidents=[incident], step=None, actor=bob, now=incident.created_at)
    resolve_incidents(incident_ids=[incident.pk], actor=bob)

    kinds = list(TimelineEntry.objects.order_by("id").values_list("kind", flat=True))
    wanted = ["triggered", "escalated", "acknowledged", "escalation_moved", "resolved"]
    assert [kind for kind in kinds if kind in wanted] == wanted


def test_b12_bulk_escalation_pages_all_three_and_bulk_resolve_silences(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    policy = policy_of((0, [bob]), (30, [carol]))
    three = [escalating(service, now, policy) for _ in range(3)]
    take_all(now)
    acknowledge_incidents(incident_ids=[three[1].pk], actor=bob)

    take_all(now + 30 * MINUTE)
    by_time = [paged(incident)[1:] for incident in three]
    escalate(*three, now=now + HOUR)
    by_hand = [len(paged(incident)) for incident in three]
    resolve_incidents(incident_ids=[incident.pk for incident in three], actor=bob)

    assert by_time == [["Carol"], [], ["Carol"]]
    assert by_hand == [3, 2, 3]
    assert take_all(now + timedelta(days=1)) == 0


def test_b18_after_an_outage_of_3_hours_one_step_is_taken_and_its_lateness_logged(
    service: Service, bob: User, carol: User, eve: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (15, [carol]), (15, [eve])))
    take_all(now)
    late = now + 3 * HOUR + 15 * MINUTE

    take_all(late)

    assert said(incident, Kind.ESCALATED)[1:] == ["Step 2, 3 h late: paged Carol"]
    assert timer(incident) == late + 15 * MINUTE


def test_c6_escalating_by_hand_repeats_immediate_rules_and_keeps_one_delayed_page(
    service: Service, bob: User, now: datetime
) -> None:
    method = ContactMethodFactory(user=bob)
    for delay in (0, 30):
        NotificationRuleFactory(user=bob, contact_method=method, delay_minutes=delay)
    incident = escalating(service, now, policy_of((0, [bob]), (60, [bob])))
    take_all(now)

    escalate(incident, now=now + 5 * MINUTE)

    pages = Notification.objects.filter(channel="email").values_list("delay_minutes", flat=True)
    assert sorted(pages) == [0, 0, 30]


def test_m1_pages_from_before_maintenance_go_out_and_a_new_alert_pages_nobody(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    method = ContactMethodFactory(user=bob)
    for delay in (0, 10):
        NotificationRuleFactory(user=bob, contact_method=method, delay_minutes=delay)
    incident = escalating(service, now, policy_of((0, [bob]), (5, [carol])))
    take_all(now)

    start_maintenance(service=service, length=HOUR, reason="Upgrade", actor=None)
    send(service, "new")
    take_all(now + 30 * MINUTE)

    waiting = Notification.objects.filter(incident=incident, channel="email", state="pending")
    assert waiting.count() == 2
    assert paged(Incident.objects.get(dedup_key="new")) == []


def test_m2_escalating_is_refused_in_maintenance_and_step_1_is_paged_when_it_ends(
    service: Service, bob: User, carol: User, now: datetime
) -> None:
    incident = escalating(service, now, policy_of((0, [bob]), (5, [carol])))
    take_all(now)
    window = start_maintenance(service=service, length=HOUR, reason="Upgrade", actor=None)

    with pytest.raises(Conflict, match="Checkout is in maintenance until"):
        escalate(incident, now=now)
    end_maintenance(window=window, actor=bob)
    engine.run_due_steps()

    assert paged(incident) == ["Bob", "Bob"]
