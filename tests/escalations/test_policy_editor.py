"""The editor of policies: saves all or nothing, keeps what was entered, tells the second one."""

from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from escalations.models import EscalationPolicy
from escalations.services.policies import update_policy
from incidents.models import Service
from opsknight.models import AuditEntry, Team, User
from tests.escalations.pages import page, post, signed_in
from tests.escalations.walk import policy_of
from tests.factories import DestinationFactory, ScheduleFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db


def form(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """What the browser posts; steps have the keys 1, 2, …"""
    data: dict[str, Any] = {
        "do": "save",
        "name": "Payments first",
        "description": "",
        "time_zone": "Europe/Vienna",
        "repeat_times": "1",
        "repeat_after_minutes": "5",
        "fallback": "",
        "ack_timeout_minutes": "",
        "resolve_after_minutes": "",
        "steps": [str(key) for key in range(1, len(steps) + 1)],
    }
    for key, step in enumerate(steps, start=1):
        values = {"delay": "0", "urgency": "any"} | step
        data |= {f"step-{key}-{name}": value for name, value in values.items()}
    return data | fields


def to(user: User) -> dict[str, Any]:
    """A step that pages a person."""
    return {"targets": [f"user-{user.pk}"]}


def text_of(answer: HttpResponse) -> str:
    return answer.content.decode()


def stored() -> EscalationPolicy:
    return EscalationPolicy.objects.get()


def targets_of(policy: EscalationPolicy) -> list[list[str]]:
    return [[str(t) for t in step.targets.all()] for step in policy.steps.order_by("position")]


# Saving


def test_administrator_creates_a_policy_with_everything(alice: User, bob: User) -> None:
    team = TeamFactory(name="Payments", members=[bob], lead=bob)
    schedule, board = ScheduleFactory(name="Primary"), DestinationFactory(name="Board")
    first = {
        "targets": [f"schedule-{schedule.pk}", f"team_leads-{team.pk}", f"destination-{board.pk}"],
        "urgency": "high",
        "robin": "1",
        "days": ["0", "4"],
        "starts": "08:00",
        "ends": "20:00",
        "alerts": "10",
        "minutes": "5",
    }
    second = {"delay": "15", "targets": [f"team-{team.pk}", f"user-{bob.pk}"]}
    settings = {
        "fallback": f"team-{team.pk}",
        "ack_timeout_minutes": "90",
        "resolve_after_minutes": "600",
        "is_multi_ack": "on",
    }

    answer = post(alice, "policy_new", data=form(first, second, **settings))

    policy = stored()
    assert answer["Location"] == reverse("escalations:policy", args=[policy.pk])
    assert targets_of(policy) == [["Primary", "lead of Payments", "Board"], ["Payments", "Bob"]]
    assert (policy.fallback_team, policy.fallback_user) == (team, None)
    assert (policy.ack_timeout_minutes, policy.resolve_after_minutes) == (90, 600)
    assert (policy.is_multi_ack, policy.time_zone) == (True, "Europe/Vienna")
    step = policy.steps.order_by("position")[0]
    assert (step.urgency, step.is_round_robin, step.window_weekdays) == ("high", True, 17)
    assert (f"{step.window_starts:%H:%M}", f"{step.window_ends:%H:%M}") == ("08:00", "20:00")
    assert (step.condition_alerts, step.condition_minutes) == (10, 5)
    assert AuditEntry.objects.get().action == "escalation_policy.created"


def test_stored_policy_saved_as_it_is_shown_changes_nothing(alice: User, bob: User) -> None:
    window = {"window_weekdays": 96, "window_starts": "22:00", "window_ends": "06:00"}
    policy = policy_of((0, [bob], {**window, "is_round_robin": True}), (15, [alice]))
    shown = page(alice, "policy_edit", policy.pk)
    first = {**to(bob), "robin": "1", "days": ["5", "6"], "starts": "22:00", "ends": "06:00"}
    data = form(
        first,
        {"delay": "15", **to(alice)},
        name=policy.name,
        time_zone="UTC",
        repeat_times="0",
        version=str(policy.version),
    )

    post(alice, "policy_edit", policy.pk, data=data)

    assert 'value="22:00"' in shown
    assert not AuditEntry.objects.exists()


def test_dragged_steps_are_saved_in_the_order_in_which_they_stand(
    alice: User, bob: User, carol: User
) -> None:
    data = form({"delay": "5", **to(bob)}, to(carol), steps=["2", "1"])

    post(alice, "policy_new", data=data)

    assert targets_of(stored()) == [["Carol"], ["Bob"]]


def test_name_that_was_typed_and_not_added_is_saved_as_well(alice: User, bob: User) -> None:
    post(alice, "policy_new", data=form({**to(alice), "add": " bob "}))

    assert targets_of(stored()) == [["Alice", "Bob"]]


def test_policy_is_deleted(alice: User, bob: User) -> None:
    policy = policy_of((0, [bob]))

    answer = post(alice, "policy_delete", policy.pk, data={"version": str(policy.version)})

    assert answer["Location"] == reverse("escalations:policies")
    assert not EscalationPolicy.objects.exists()


def test_policy_in_use_is_not_deleted_and_its_users_are_named(
    alice: User, bob: User, service: Service
) -> None:
    policy = policy_of((0, [bob]))
    Service.objects.update(escalation_policy=policy)

    asked = page(alice, "policy_delete", policy.pk)
    answer = post(alice, "policy_delete", policy.pk)

    assert "the service Checkout" in asked
    assert answer.status_code == 409
    assert EscalationPolicy.objects.exists()


# Rearranging: nothing is stored


def keys_in(answer: HttpResponse) -> list[str]:
    parts = text_of(answer).split('name="steps" value="')[1:]
    return [part.partition('"')[0] for part in parts]


@pytest.mark.parametrize(
    ("do", "keys"),
    [
        ("up-2", ["2", "1", "3"]),
        ("down-2", ["1", "3", "2"]),
        ("up-1", ["1", "2", "3"]),
        ("down-3", ["1", "2", "3"]),
        ("remove-2", ["1", "3"]),
        ("new", ["1", "2", "3", "4"]),
        ("up-77", ["1", "2", "3"]),
        ("stay", ["1", "2", "3"]),
        ("nonsense-" + "9" * 50, ["1", "2", "3"]),
    ],
)
def test_buttons_rearrange_the_steps_and_store_nothing(
    do: str, keys: list[str], alice: User, bob: User
) -> None:
    answer = post(alice, "policy_new", data=form(to(bob), to(bob), to(bob), do=do))

    assert answer.status_code == 200
    assert keys_in(answer) == keys
    assert "Not saved yet" in text_of(answer)
    assert not EscalationPolicy.objects.exists()


def test_button_means_its_step_wherever_that_was_dragged(alice: User, bob: User) -> None:
    data = form(to(bob), to(bob), to(bob), steps=["3", "1", "2"], do="down-3")

    assert keys_in(post(alice, "policy_new", data=data)) == ["1", "3", "2"]


def test_target_is_added_by_its_name_and_removed_again(alice: User, bob: User, team: Team) -> None:
    added = post(alice, "policy_new", data=form({"add": "team payments"}, do="stay"))
    step = {"targets": [f"user-{bob.pk}", f"team-{team.pk}"]}
    dropped = post(alice, "policy_new", data=form(step, do=f"drop-1-team-{team.pk}"))

    assert f'name="step-1-targets" value="team-{team.pk}"' in text_of(added)
    assert f'name="step-1-targets" value="team-{team.pk}"' not in text_of(dropped)
    assert f'name="step-1-targets" value="user-{bob.pk}"' in text_of(dropped)


def test_people_of_one_name_can_be_told_apart(alice: User) -> None:
    twins = [UserFactory(name="Kim", email=f"kim{n}@example.com") for n in (1, 2)]

    post(alice, "policy_new", data=form({"add": f"Kim (no. {twins[1].pk})"}))

    (step,) = stored().steps.all()
    assert [target.user for target in step.targets.all()] == [twins[1]]


# Refused: at the field, with what to do; input kept


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step-1-delay": "soon"}, "Write how many minutes to wait"),
        ({"step-1-delay": "99999"}, "Wait 0 to 10080 minutes"),
        ({"step-1-delay": "-5"}, "Write how many minutes to wait"),
        ({"step-1-urgency": "panic"}, "Choose one of any, high, other"),
        ({"step-1-targets": []}, "Name 1 to 50 users, teams"),
        ({"step-1-targets": ["user-999999"]}, "There is no user 999999"),
        ({"step-1-targets": ["team-999999"]}, "There is no team 999999"),
        ({"step-1-add": "Nobody Special"}, "is called “Nobody Special”"),
        ({"step-1-days": ["0"], "step-1-starts": "08:00"}, "Tick days and write both times"),
        ({"step-1-starts": "08:00", "step-1-ends": "9:61"}, "Tick days and write both times"),
        ({"step-1-starts": "08:00", "step-1-ends": "09:00"}, "Name at least one day"),
        ({"step-1-alerts": "10"}, "Write both numbers"),
        ({"step-1-alerts": "0", "step-1-minutes": "5"}, "Use 1 to 1000000 alerts"),
        ({"steps": []}, "Add at least one step"),
        ({"name": ""}, "Give it a name."),
        ({"time_zone": "Mars/Olympus"}, "Select a valid choice"),
        ({"repeat_times": "-1"}, "Repeat 0 to 100 times"),
        ({"repeat_after_minutes": "0"}, "Use 1 to 10080 minutes"),
        ({"ack_timeout_minutes": "0"}, "Use 1 to 10080 minutes"),
        ({"fallback": "user-999999"}, "This cannot be paged"),
    ],
)
def test_wrong_input_is_refused_at_its_field_and_kept(
    change: dict[str, Any], words: str, alice: User, bob: User
) -> None:
    data = form(to(bob), description="What I wrote", **change)

    answer = post(alice, "policy_new", data=data)

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert "What I wrote" in text_of(answer)
    assert not EscalationPolicy.objects.exists()


def test_person_who_cannot_be_paged_is_refused_and_marked(alice: User) -> None:
    gone = UserFactory(name="Dan", status="disabled")

    answer = post(alice, "policy_new", data=form(to(gone)))

    assert "the account is disabled. Name somebody else." in text_of(answer)
    assert "not active" in text_of(answer)


def test_name_that_is_taken_is_refused(alice: User, bob: User) -> None:
    policy_of((0, [bob]), name="Payments first")

    answer = post(alice, "policy_new", data=form(to(bob)))

    assert answer.status_code == 422
    assert "already" in text_of(answer)


def test_second_editor_is_told_who_saved_and_may_save_once_more(
    alice: User, bob: User, carol: User
) -> None:
    other = UserFactory(name="Olga", role=User.Role.ADMIN)
    policy = policy_of((0, [bob]), name="Payments first")
    version = str(policy.version)
    update_policy(policy=policy, values={"description": "Hers"}, steps=None, actor=other)

    told = post(alice, "policy_edit", policy.pk, data=form(to(carol), version=version))
    policy.refresh_from_db()
    kept = targets_of(policy)
    again = post(alice, "policy_edit", policy.pk, data=form(to(carol), version=str(policy.version)))

    assert told.status_code == 422
    assert "Olga saved Payments first" in text_of(told)
    assert f'name="version" value="{policy.version}"' in text_of(told)
    assert f'value="user-{carol.pk}"' in text_of(told)
    assert kept == [["Bob"]]
    assert again.status_code == 302
    assert targets_of(policy) == [["Carol"]]


def test_what_was_entered_for_a_policy_deleted_meanwhile_becomes_a_new_one(
    alice: User, bob: User
) -> None:
    policy = policy_of((0, [bob]), name="Payments first")
    pk = policy.pk
    policy.delete()

    answer = post(alice, "policy_edit", pk, data=form(to(bob), version="1"))

    assert answer.status_code == 422
    assert "Somebody deleted this policy meanwhile" in text_of(answer)
    assert f'action="{reverse("escalations:policy_new")}"' in text_of(answer)
    assert f'value="user-{bob.pk}"' in text_of(answer)


def test_stored_person_who_left_is_shown_and_does_not_break_the_form(
    alice: User, bob: User
) -> None:
    policy = policy_of((0, [bob]), fallback_user=bob)
    User.objects.filter(pk=bob.pk).update(status="disabled")

    text = page(alice, "policy_edit", policy.pk)

    assert "Bob (not active)" in text
    assert "not active" in text


# Trying out what is not saved


def test_preview_shows_what_the_draft_would_do_and_stores_nothing(
    alice: User, bob: User, carol: User
) -> None:
    policy = policy_of((0, [bob]), name="Payments first")
    data = form(to(bob), {"delay": "45", **to(carol)}, repeat_times="0")

    answer = post(alice, "policy_preview", policy.pk, data=data)

    assert "after 45 min" in text_of(answer)
    assert "Carol" in text_of(answer)
    assert targets_of(policy) == [["Bob"]]
    assert not AuditEntry.objects.exists()


def test_preview_of_something_wrong_says_what(alice: User, bob: User) -> None:
    data = form({"delay": "soon", **to(bob)})

    answer = post(alice, "policy_new_preview", data=data)

    assert answer.status_code == 200
    assert "Step 1: Write how many minutes to wait" in text_of(answer)


def test_preview_of_a_new_policy_asks_for_the_first_target(alice: User) -> None:
    assert "Say whom the first step pages" in page(alice, "policy_new")


# Who may


@pytest.mark.parametrize("who", ["bob", "carol", "eve"])
@pytest.mark.parametrize("name", ["policy_new", "policy_edit", "policy_delete", "policy_preview"])
def test_only_administrators_may_change_policies(
    name: str, who: str, bob: User, carol: User, eve: User
) -> None:
    policy = policy_of((0, [bob]))
    user = {"bob": bob, "carol": carol, "eve": eve}[who]
    args = [] if name == "policy_new" else [policy.pk]

    answer = post(user, name, *args, data=form(to(carol)))

    assert answer.status_code == 403
    assert targets_of(stored()) == [["Bob"]]


@pytest.mark.parametrize("name", ["policy_edit", "policy_delete"])
def test_policy_that_does_not_exist_is_404(name: str, alice: User, client: Client) -> None:
    client.force_login(alice)

    assert client.get(reverse(f"escalations:{name}", args=[12345])).status_code == 404


@pytest.mark.parametrize("number", [1, 10])
def test_editor_costs_the_same_queries_for_one_and_ten_steps(
    number: int, alice: User, bob: User
) -> None:
    policy = policy_of(*[(5, [bob]) for _ in range(number)])
    client = signed_in(alice)

    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("escalations:policy_edit", args=[policy.pk]))

    assert len(queries) == 20


def test_pages_have_no_inline_script_or_style(alice: User, bob: User) -> None:
    policy = policy_of((0, [bob]))

    for name in ("policy", "policy_edit", "policy_delete"):
        text = page(alice, name, policy.pk)
        assert " style=" not in text
        assert " onclick=" not in text
