"""Escalation policies."""

from typing import Any

import pytest

from escalations.models import EscalationPolicy, PolicyStep
from incidents.models import Service
from opsknight.models import AuditEntry, Team, User
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import (
    DestinationFactory,
    PolicyFactory,
    ScheduleFactory,
    TeamFactory,
    UserFactory,
)


def target(kind: str, pk: object) -> dict[str, object]:
    return {"type": kind, "id": pk}


@pytest.fixture
def body(carol: Asker, team: Team) -> dict[str, Any]:
    """A policy with two steps."""
    schedule = ScheduleFactory(members=[carol.user])
    return {
        "name": "Critical",
        "repeat_times": 3,
        "repeat_after_minutes": 10,
        "steps": [
            {"targets": [target("schedule", schedule.pk)]},
            {
                "delay_minutes": 5,
                "targets": [target("user", carol.user.pk), target("team", team.pk)],
            },
        ],
    }


def test_policy_is_created_with_its_steps(alice: Asker, body: dict[str, Any]) -> None:
    response = alice.post("escalation-policies", body)

    answered = response.json()
    assert response.status_code == 201, answered
    assert (answered["repeat_times"], answered["repeat_after_minutes"]) == (3, 10)
    assert [step["delay_minutes"] for step in answered["steps"]] == [0, 5]
    assert [t["type"] for step in answered["steps"] for t in step["targets"]] == [
        "schedule",
        "user",
        "team",
    ]
    assert answered["steps"][1]["targets"][1]["name"] == "Payments"


def test_what_was_answered_can_be_sent_back(alice: Asker, body: dict[str, Any]) -> None:
    created = alice.post("escalation-policies", body).json()

    response = alice.put(f"escalation-policies/{created['id']}", created)

    assert response.json() == created


def test_replacing_replaces_every_step(alice: Asker, carol: Asker, body: dict[str, Any]) -> None:
    pk = alice.post("escalation-policies", body).json()["id"]
    body["steps"] = [{"delay_minutes": 1, "targets": [target("user", carol.user.pk)]}]

    response = alice.put(f"escalation-policies/{pk}", body)

    assert [step["delay_minutes"] for step in response.json()["steps"]] == [1]
    assert PolicyStep.objects.count() == 1


def test_change_without_steps_keeps_them(alice: Asker, body: dict[str, Any]) -> None:
    created = alice.post("escalation-policies", body).json()

    response = alice.patch(f"escalation-policies/{created['id']}", {"repeat_times": 0})

    changed = {key: response.json()[key] for key in ("repeat_times", "version", "saved_at")}
    assert changed["repeat_times"] == 0
    assert response.json() == {**created, **changed}


@pytest.mark.parametrize(
    ("step", "field"),
    [({}, "targets"), ({"targets": [{"type": "user"}]}, "targets.0.id"), (None, ""), (7, "")],
)
def test_changed_step_must_be_complete(
    alice: Asker, body: dict[str, Any], step: object, field: str
) -> None:
    pk = alice.post("escalation-policies", body).json()["id"]

    response = alice.patch(f"escalation-policies/{pk}", {"steps": [step]})

    assert set(fields_of(response)) == {f"steps.0.{field}".rstrip(".")}


def test_change_of_steps_is_audited_in_words(
    alice: Asker, carol: Asker, body: dict[str, Any]
) -> None:
    pk = alice.post("escalation-policies", body).json()["id"]
    steps = [{"delay_minutes": 1, "targets": [target("user", carol.user.pk)]}]

    alice.patch(f"escalation-policies/{pk}", {"steps": steps})

    entry = AuditEntry.objects.get(action="escalation_policy.updated")
    assert entry.changes["steps"][1] == ["after 1 min: Carol"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"repeat_times": 101}, "repeat_times"),
        ({"repeat_times": -1}, "repeat_times"),
        ({"repeat_times": "often"}, "repeat_times"),
        ({"repeat_after_minutes": 0}, "repeat_after_minutes"),
        ({"repeat_after_minutes": 10**30}, "repeat_after_minutes"),
        ({"steps": None}, "steps"),
        ({"steps": {}}, "steps"),
        ({"steps": []}, "steps"),
        ({"steps": ["first"]}, "steps.0"),
        ({"steps": [{}]}, "steps.0.targets"),
        ({"steps": [{"targets": []}]}, "steps.0.targets"),
        ({"steps": [{"targets": [{}]}]}, "steps.0.targets.0.type"),
        ({"steps": [{"targets": [target("robot", 1)]}]}, "steps.0.targets.0.type"),
        ({"steps": [{"targets": [target("user", "bob")]}]}, "steps.0.targets.0.id"),
        ({"steps": [{"targets": [target("user", 0)]}]}, "steps.0.targets.0.id"),
        ({"steps": [{"targets": [target("user", 999)]}]}, "steps.0.targets.0.id"),
        ({"steps": [{"targets": [target("team", 10**30)]}]}, "steps.0.targets.0.id"),
        ({"steps": [{"targets": [target("schedule", 999)]}]}, "steps.0.targets.0.id"),
        ({"steps": [{"delay_minutes": -1, "targets": []}]}, "steps.0.delay_minutes"),
        ({"steps": [{"delay_minutes": 10081, "targets": []}]}, "steps.0.delay_minutes"),
        ({"steps": [{"targets": []}] * 51}, "steps"),
    ],
)
def test_wrong_policy_names_its_field_and_nothing_is_saved(
    alice: Asker, body: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    response = alice.post("escalation-policies", {**body, **change})

    assert field in fields_of(response)
    assert not EscalationPolicy.objects.exists()
    assert not PolicyStep.objects.exists()


@pytest.mark.parametrize("status", [User.Status.DISABLED, User.Status.INVITED])
def test_people_who_cannot_be_paged_are_refused(
    alice: Asker, body: dict[str, Any], status: str
) -> None:
    absent = UserFactory(name="Dan", status=status)
    body["steps"][1]["targets"].append(target("user", absent.pk))

    response = alice.post("escalation-policies", body)

    fields = fields_of(response)
    assert list(fields) == ["steps.1.targets.2.id"]
    assert "Dan cannot be paged" in fields["steps.1.targets.2.id"][0]


def test_target_named_twice_is_refused(alice: Asker, body: dict[str, Any]) -> None:
    body["steps"][1]["targets"] *= 2

    response = alice.post("escalation-policies", body)

    assert set(fields_of(response)) == {"steps.1.targets.2.id", "steps.1.targets.3.id"}


def test_refused_change_leaves_the_policy_as_it_was(alice: Asker, body: dict[str, Any]) -> None:
    created = alice.post("escalation-policies", body).json()
    steps = [{"targets": [target("user", 999)]}]

    alice.put(f"escalation-policies/{created['id']}", {"name": "New", "steps": steps})

    assert alice.get(f"escalation-policies/{created['id']}").json() == created


def test_policy_in_use_is_not_deleted(alice: Asker, service: Service) -> None:
    service.escalation_policy = PolicyFactory()
    service.save(update_fields=["escalation_policy"])

    response = alice.delete(f"escalation-policies/{service.escalation_policy.pk}")

    assert (response.status_code, code_of(response)) == (409, "conflict")
    assert "Checkout" in response.json()["error"]["message"]
    assert not AuditEntry.objects.filter(action="escalation_policy.deleted").exists()


def test_deleted_policy_stays_in_the_audit_log(alice: Asker) -> None:
    policy = PolicyFactory(name="Old")

    alice.delete(f"escalation-policies/{policy.pk}")

    entry = AuditEntry.objects.get(action="escalation_policy.deleted")
    assert (entry.entity_id, entry.changes["name"]) == (str(policy.pk), ["Old", None])


# All that a step may ask for


WINDOW = {"weekdays": [0, 4], "starts": "22:00", "ends": "06:00"}


def test_step_keeps_everything_that_it_asks_for(alice: Asker, body: dict[str, Any]) -> None:
    lead = TeamFactory(name="Night", lead=alice.user)
    channel = DestinationFactory(name="Ops channel")
    step = {
        "delay_minutes": 3,
        "urgency": "high",
        "is_round_robin": True,
        "window": WINDOW,
        "condition": {"alerts": 5, "minutes": 10},
        "targets": [target("team_leads", lead.pk), target("destination", channel.pk)],
    }
    end = {
        "fallback_team": lead.pk,
        "ack_timeout_minutes": 30,
        "resolve_after_minutes": 60,
        "is_multi_ack": True,
        "time_zone": "Europe/Vienna",
    }

    created = alice.post("escalation-policies", {**body, **end, "steps": [step]}).json()

    names = [{"name": "Night"}, {"name": "Ops channel"}]
    named = [t | name for t, name in zip(step["targets"], names, strict=True)]  # type: ignore[call-overload]
    assert created["steps"] == [step | {"targets": named}]
    assert {name: created[name] for name in end} == end
    assert alice.put(f"escalation-policies/{created['id']}", created).json() == created


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"urgency": "medium"}, "urgency"),
        ({"window": {}}, "window.starts"),
        ({"window": WINDOW | {"weekdays": []}}, "window.weekdays"),
        ({"window": WINDOW | {"weekdays": [7]}}, "window.weekdays.0"),
        ({"window": WINDOW | {"ends": "25:00"}}, "window.ends"),
        ({"condition": {"alerts": 0, "minutes": 1}}, "condition.alerts"),
        ({"condition": {"alerts": 1}}, "condition.minutes"),
        ({"condition": {"alerts": 1, "minutes": 10081}}, "condition.minutes"),
        ({"targets": [target("destination", 999)]}, "targets.0.id"),
        ({"targets": [target("team_leads", 999)]}, "targets.0.id"),
    ],
)
def test_wrong_part_of_a_step_names_its_field(
    alice: Asker, body: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    body["steps"][1] |= change

    response = alice.post("escalation-policies", body)

    assert f"steps.1.{field}" in fields_of(response)
    assert not EscalationPolicy.objects.exists()


def test_team_without_a_lead_cannot_be_named_for_its_lead(
    alice: Asker, body: dict[str, Any], team: Team
) -> None:
    body["steps"][1]["targets"] = [target("team_leads", team.pk)]

    response = alice.post("escalation-policies", body)

    assert "has no lead" in fields_of(response)["steps.1.targets.0.id"][0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"ack_timeout_minutes": 0}, "ack_timeout_minutes"),
        ({"resolve_after_minutes": 10081}, "resolve_after_minutes"),
        ({"fallback_user": 999}, "fallback_user"),
        ({"is_multi_ack": "often"}, "is_multi_ack"),
    ],
)
def test_wrong_end_of_a_policy_names_its_field(
    alice: Asker, body: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    response = alice.post("escalation-policies", {**body, **change})

    assert field in fields_of(response)


def test_two_fallbacks_are_refused(
    alice: Asker, carol: Asker, body: dict[str, Any], team: Team
) -> None:
    both = {"fallback_user": carol.user.pk, "fallback_team": team.pk}

    response = alice.post("escalation-policies", {**body, **both})

    assert "not both" in fields_of(response)["fallback_team"][0]


def test_fallback_who_cannot_be_paged_is_refused(alice: Asker, body: dict[str, Any]) -> None:
    gone = UserFactory(name="Dan", status=User.Status.DISABLED)

    response = alice.post("escalation-policies", {**body, "fallback_user": gone.pk})

    assert "Dan cannot be paged" in fields_of(response)["fallback_user"][0]


def test_second_editor_is_told_and_nothing_of_the_first_is_lost(
    alice: Asker, body: dict[str, Any]
) -> None:
    created = alice.post("escalation-policies", body).json()
    address = f"escalation-policies/{created['id']}"
    first = alice.patch(address, {"name": "First", "version": created["version"]})

    second = alice.patch(address, {"name": "Second", "version": created["version"]})

    assert (first.status_code, second.status_code) == (200, 409)
    assert code_of(second) == "saved_meanwhile"
    assert "Alice" in second.json()["error"]["message"]
    assert alice.get(address).json()["name"] == "First"


def test_turns_go_on_when_a_policy_is_saved(alice: Asker, body: dict[str, Any]) -> None:
    created = alice.post("escalation-policies", body).json()
    PolicyStep.objects.filter(position=2).update(robin_count=5)
    body["steps"].append({"targets": body["steps"][0]["targets"]})

    alice.put(f"escalation-policies/{created['id']}", body)

    counts = PolicyStep.objects.order_by("position").values_list("robin_count", flat=True)
    assert list(counts) == [0, 5, 0]
