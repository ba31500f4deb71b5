"""The admin of schedules and policies, as an administrator fills it in."""

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from escalations.models import (
    EscalationPolicy,
    LayerMember,
    PolicyStep,
    Schedule,
    ScheduleLayer,
    StepTarget,
)
from opsknight.models import AuditEntry, Team, User
from tests.escalations.walk import policy_of
from tests.factories import (
    DestinationFactory,
    PolicyFactory,
    ScheduleFactory,
    ServiceFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

Fields = dict[str, object]


@pytest.fixture
def admin(alice: User) -> Client:
    """A browser in which Alice is signed in."""
    client = Client()
    client.force_login(alice)
    return client


def inline(prefix: str, *rows: Fields, initial: int = 0) -> Fields:
    """The fields of an inline with its rows; a row's own inlines are given with full names."""
    fields: Fields = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": initial}
    for number, row in enumerate(rows):
        fields |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return fields


def step(position: int, delay: int, *targets: Fields) -> Fields:
    """A step with its targets."""
    fields: Fields = {"position": position, "delay_minutes": delay, "urgency": "any"}
    return fields | inline("targets", *targets)


def policy_fields(*steps: Fields, **fields: object) -> Fields:
    """What the page of a policy posts."""
    values: Fields = {"name": "Payments first", "description": "", "repeat_times": 2}
    values |= {"repeat_after_minutes": 5, "time_zone": "UTC"}
    return values | fields | inline("steps", *steps)


def layer(*members: Fields, **fields: object) -> Fields:
    """A layer with its places."""
    start = timezone.now() - timedelta(hours=1)
    values: Fields = {
        "name": "Days",
        "position": 1,
        "rotation": "weekly",
        "rotation_length": 1,
        "starts_at_0": f"{start:%Y-%m-%d}",
        "starts_at_1": f"{start:%H:%M:%S}",
        "ends_at_0": "",
        "ends_at_1": "",
    }
    initial = sum("id" in member for member in members)
    values |= {"begins_at_0": "", "begins_at_1": ""}
    places = inline("members", *members, initial=initial)
    return values | fields | places | inline("restrictions")


def schedule_fields(*layers: Fields, initial: int = 0, **fields: object) -> Fields:
    """What the page of a schedule posts."""
    values: Fields = {"name": "Primary", "description": "", "time_zone": "Europe/Vienna"}
    return values | {"team": ""} | fields | inline("layers", *layers, initial=initial)


def add(admin: Client, model: str, fields: Fields) -> HttpResponse:
    return admin.post(reverse(f"admin:escalations_{model}_add"), fields)  # type: ignore[return-value]


def errors_in(answer: HttpResponse) -> str:
    assert answer.status_code == 200, "it was saved"
    return answer.content.decode()


# Policies


def test_policy_with_steps_and_targets_is_made_on_one_page(
    admin: Client, bob: User, team: Team
) -> None:
    schedule = ScheduleFactory(name="Primary")
    fields = policy_fields(
        step(1, 0, {"user": bob.pk}, {"schedule": schedule.pk}), step(2, 15, {"team": team.pk})
    )

    assert add(admin, "escalationpolicy", fields).status_code == 302

    policy = EscalationPolicy.objects.get(name="Payments first")
    assert list(policy.steps.values_list("position", "delay_minutes")) == [(1, 0), (2, 15)]
    assert StepTarget.objects.filter(step__policy=policy).count() == 3


def test_step_whose_fields_were_left_as_they_are_is_saved_with_its_targets(
    admin: Client, bob: User
) -> None:
    add(admin, "escalationpolicy", policy_fields(step(1, 0, {"user": bob.pk})))

    assert StepTarget.objects.get().user == bob


def test_positions_are_numbered_anew_in_their_order(admin: Client, bob: User) -> None:
    fields = policy_fields(
        step(5, 3, {"user": bob.pk}), step(1, 1, {"user": bob.pk}), step(5, 4, {"user": bob.pk})
    )

    add(admin, "escalationpolicy", fields)

    steps = EscalationPolicy.objects.get().steps.values_list("position", "delay_minutes")
    assert list(steps) == [(1, 1), (2, 3), (3, 4)]


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("user", "team"), "Choose exactly one: a user, a team, a schedule or a destination."),
        (("user",), None),
    ],
)
def test_target_names_exactly_one(
    kinds: tuple[str, ...], words: str | None, admin: Client, bob: User, team: Team
) -> None:
    target = {kind: {"user": bob.pk, "team": team.pk}[kind] for kind in kinds}

    answer = add(admin, "escalationpolicy", policy_fields(step(1, 1, target)))

    if words:
        assert words in errors_in(answer)
        assert not EscalationPolicy.objects.exists()
    else:
        assert answer.status_code == 302


def test_same_target_twice_is_refused(admin: Client, bob: User) -> None:
    fields = policy_fields(step(1, 0, {"user": bob.pk}, {"user": bob.pk}))

    answer = add(admin, "escalationpolicy", fields)

    assert "names that target already" in errors_in(answer)


def test_people_who_cannot_be_paged_are_refused(admin: Client) -> None:
    gone = UserFactory(name="Dora", status=User.Status.DISABLED)

    answer = add(admin, "escalationpolicy", policy_fields(step(1, 0, {"user": gone.pk})))

    assert "the account is disabled" in errors_in(answer)


def test_policy_in_use_is_not_deleted_and_the_service_is_named(admin: Client) -> None:
    policy = PolicyFactory()
    ServiceFactory(name="Checkout", escalation_policy=policy)
    address = reverse("admin:escalations_escalationpolicy_delete", args=[policy.pk])

    assert "The service Checkout" in admin.get(address).content.decode()
    admin.post(address, {"post": "yes"})

    assert EscalationPolicy.objects.filter(pk=policy.pk).exists()


def test_unused_policy_is_deleted_with_its_steps_and_an_audit_entry(
    admin: Client, bob: User
) -> None:
    policy = policy_of((0, [bob]), (5, [bob]))

    admin.post(
        reverse("admin:escalations_escalationpolicy_delete", args=[policy.pk]), {"post": "yes"}
    )

    assert not EscalationPolicy.objects.exists()
    assert AuditEntry.objects.filter(action="escalation_policy.deleted").count() == 1


# Schedules


def test_schedule_with_layers_and_people_is_made_on_one_page(
    admin: Client, bob: User, carol: User
) -> None:
    fields = schedule_fields(
        layer({"turn": 1, "user": bob.pk}, {"turn": 2, "user": carol.pk}),
        layer({"turn": 1, "user": carol.pk}, name="Nights", position=2),
    )

    assert add(admin, "schedule", fields).status_code == 302

    layers = Schedule.objects.get().layers.values_list("name", "position")
    assert list(layers) == [("Days", 1), ("Nights", 2)]
    assert LayerMember.objects.count() == 3
    entry = AuditEntry.objects.get(action="schedule.created")
    assert "Primary" in entry.entity_label


@pytest.mark.parametrize(
    ("fields", "of_layer", "words"),
    [
        ({"time_zone": "Mars/Olympus"}, {}, "such as Europe/Vienna"),
        ({}, {"rotation_length": 0}, "A turn lasts 1 to"),
        ({}, {"starts_at_0": "0001-01-01"}, "Use another date"),
        ({}, {"ends_at_0": "2000-01-01", "ends_at_1": "00:00"}, "must be later than the start"),
    ],
)
def test_mistakes_in_a_schedule_are_explained(
    fields: Fields, of_layer: Fields, words: str, admin: Client, bob: User
) -> None:
    one = layer({"turn": 1, "user": bob.pk}, **of_layer)

    answer = add(admin, "schedule", schedule_fields(one, **fields))

    assert words in errors_in(answer)
    assert not Schedule.objects.exists()


def test_reordering_people_keeps_whoever_is_on_call_and_says_so(
    admin: Client, bob: User, carol: User
) -> None:
    schedule = ScheduleFactory(name="Primary", members=[bob, carol])
    existing = ScheduleLayer.objects.get()
    first, second = LayerMember.objects.order_by("turn")
    places = [
        {"id": first.pk, "layer": existing.pk, "user": bob.pk, "turn": 2},
        {"id": second.pk, "layer": existing.pk, "user": carol.pk, "turn": 1},
    ]
    own = {"id": existing.pk, "schedule": schedule.pk}
    fields = schedule_fields(layer(*places, **own), initial=1)
    address = reverse("admin:escalations_schedule_change", args=[schedule.pk])

    answer = admin.post(address, fields)

    assert answer.status_code == 302
    assert any("turned round" in str(m) for m in get_messages(answer.wsgi_request))
    names = LayerMember.objects.order_by("turn").values_list("user__name", flat=True)
    assert list(names) == ["Bob", "Carol"]


def test_place_of_a_deleted_person_asks_for_somebody_else(admin: Client, bob: User) -> None:
    schedule = ScheduleFactory(members=[bob])
    bob.delete()
    existing, place = ScheduleLayer.objects.get(), LayerMember.objects.get()
    own = {"id": existing.pk, "schedule": schedule.pk}
    row = {"id": place.pk, "layer": existing.pk, "user": "", "turn": 1}
    address = reverse("admin:escalations_schedule_change", args=[schedule.pk])

    answer = admin.post(address, schedule_fields(layer(row, **own), initial=1))

    assert "Choose a person, or remove this place." in errors_in(answer)  # type: ignore[arg-type]


def test_schedule_that_a_policy_pages_is_not_deleted_and_the_policy_is_named(
    admin: Client,
) -> None:
    schedule = ScheduleFactory()
    policy_of((0, [schedule]), name="Payments first")
    address = reverse("admin:escalations_schedule_delete", args=[schedule.pk])

    assert "The escalation policy Payments first" in admin.get(address).content.decode()
    admin.post(address, {"post": "yes"})

    assert Schedule.objects.filter(pk=schedule.pk).exists()


# Lists


@pytest.mark.parametrize("model", ["schedule", "escalationpolicy"])
def test_lists_can_be_searched_and_cost_the_same_queries(
    model: str, admin: Client, bob: User
) -> None:
    address = reverse(f"admin:escalations_{model}_changelist") + "?q=a"
    costs = []
    for number in (1, 9):
        for n in range(number):
            schedule = ScheduleFactory(name=f"a {number} {n}", members=[bob])
            policy_of((0, [schedule, bob]), name=f"a {number} {n}")
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(address).status_code == 200
        costs.append(len(queries))

    assert costs[0] == costs[1]


@pytest.mark.parametrize("name", ["bob", "carol"])
def test_others_do_not_get_in(name: str, request: pytest.FixtureRequest) -> None:
    client = Client()
    client.force_login(request.getfixturevalue(name))

    answer = client.get(reverse("admin:escalations_schedule_changelist"))

    assert answer.status_code in (302, 403)


def test_second_editor_of_a_policy_is_told_and_nothing_of_the_first_is_lost(
    admin: Client, bob: User
) -> None:
    policy = PolicyFactory(name="Critical", steps=[(0, [bob])])
    address = reverse("admin:escalations_escalationpolicy_change", args=[policy.pk])
    nothing = {"steps-TOTAL_FORMS": 0, "steps-INITIAL_FORMS": 0}
    fields = policy_fields() | nothing | {"edited_version": policy.version}

    first = admin.post(address, fields | {"name": "First"})
    second = admin.post(address, fields | {"name": "Second"})

    assert (first.status_code, second.status_code) == (302, 200)
    assert "Load it again" in errors_in(second)
    policy.refresh_from_db()
    assert policy.name == "First"


def test_everything_of_a_step_is_entered_in_the_admin(
    admin: Client, alice: User, team: Team
) -> None:
    channel = DestinationFactory()
    Team.objects.update(lead=alice)
    everything = {
        "urgency": "high",
        "is_round_robin": "on",
        "window_weekdays": ["0", "4"],
        "window_starts": "22:00",
        "window_ends": "06:00",
        "condition_alerts": 5,
        "condition_minutes": 10,
    }
    targets = ({"team": team.pk, "leads_only": "on"}, {"destination": channel.pk})
    one = step(1, 0, *targets) | everything

    answer = add(admin, "escalationpolicy", policy_fields(one, fallback_team=team.pk))

    assert answer.status_code == 302
    saved = PolicyStep.objects.get()
    assert (saved.window_weekdays, saved.condition_alerts, saved.is_round_robin) == (17, 5, True)
    assert saved.policy.fallback_team == team
    assert [str(target) for target in saved.targets.all()] == ["lead of Payments", channel.name]


@pytest.mark.parametrize(
    "part", [{"window_starts": "22:00"}, {"window_weekdays": ["0"]}, {"condition_alerts": 5}]
)
def test_half_a_window_or_condition_is_refused(admin: Client, bob: User, part: Fields) -> None:
    one = step(1, 0, {"user": bob.pk}) | part

    answer = add(admin, "escalationpolicy", policy_fields(one))

    assert "needs" in errors_in(answer)
    assert not EscalationPolicy.objects.exists()
