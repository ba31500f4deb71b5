"""Roles, disabling, deleting: what administrators may do to others, and never to themselves."""

import threading

import pytest
from django.db import connection

from opsknight.errors import Conflict, InvalidInput, NotAllowed, OpsKnightError
from opsknight.models import AuditEntry, TeamMember, User
from opsknight.services import people
from tests.factories import TeamFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_an_administrator_changes_a_role(alice: User, carol: User) -> None:
    changed = people.update_user(
        actor=alice, user=carol, values={"role": User.Role.RESPONDER}, ip="203.0.113.9"
    )

    assert changed.is_responder
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.changes) == ("user.role_changed", {"role": ["user", "responder"]})
    assert (entry.actor, entry.ip) == (alice, "203.0.113.9")


@pytest.mark.parametrize(
    "values",
    [{"role": "user"}, {"status": "disabled"}, {"role": "responder", "status": "disabled"}],
)
def test_nobody_changes_their_own_role_or_status(alice: User, values: dict[str, str]) -> None:
    UserFactory(role=User.Role.ADMIN)

    with pytest.raises(InvalidInput) as caught:
        people.update_user(actor=alice, user=alice, values=values)

    assert caught.value.fields.keys() == values.keys()


def test_an_administrator_may_correct_their_own_name(alice: User) -> None:
    assert people.update_user(actor=alice, user=alice, values={"name": "Al"}).name == "Al"


@pytest.mark.parametrize("role", [User.Role.USER, User.Role.RESPONDER])
def test_others_change_nobody(carol: User, role: str) -> None:
    actor = UserFactory(role=role)

    for act in (people.disable_user, people.enable_user, people.delete_user):
        with pytest.raises(NotAllowed):
            act(actor=actor, user=carol)


def test_an_administrator_who_was_disabled_meanwhile_changes_nobody(
    alice: User, carol: User
) -> None:
    User.objects.filter(pk=alice.pk).update(status=User.Status.DISABLED)

    with pytest.raises(NotAllowed):
        people.disable_user(actor=alice, user=carol)


@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_who_demote_each_other_one_stays() -> None:
    first, second = (UserFactory(role=User.Role.ADMIN) for _ in range(2))
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def demote(actor: User, user: User) -> None:
        start.wait()
        try:
            people.update_user(actor=actor, user=user, values={"role": User.Role.USER})
            outcomes.append("done")
        except OpsKnightError:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [
        threading.Thread(target=demote, args=pair) for pair in [(first, second), (second, first)]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["done", "refused"]
    assert User.objects.filter(role=User.Role.ADMIN).count() == 1


def test_an_invited_person_cannot_be_made_active(alice: User) -> None:
    user = UserFactory(status=User.Status.INVITED)

    with pytest.raises(InvalidInput) as caught:
        people.update_user(actor=alice, user=user, values={"status": User.Status.ACTIVE})

    assert "status" in caught.value.fields


def test_enabling_brings_a_person_back(alice: User, carol: User) -> None:
    carol.set_password("Correct-Horse-7")
    carol.save()
    people.disable_user(actor=alice, user=carol)

    enabled = people.enable_user(actor=alice, user=carol)

    assert enabled.status == User.Status.ACTIVE
    actions = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["user.disabled", "user.enabled"]


def test_enabling_somebody_without_password_invites_again(alice: User) -> None:
    user = UserFactory(status=User.Status.DISABLED)

    assert people.enable_user(actor=alice, user=user).status == User.Status.INVITED


def test_sessions_do_not_come_back_with_the_account(client, alice: User, carol: User) -> None:
    carol.set_password("Correct-Horse-7")
    carol.save()
    client.force_login(carol)
    people.disable_user(actor=alice, user=carol)

    people.enable_user(actor=alice, user=carol)

    assert client.get("/profile/").status_code == 302


def test_deleting_keeps_the_name_in_the_log(alice: User, carol: User) -> None:
    people.disable_user(actor=alice, user=carol)

    people.delete_user(actor=alice, user=carol)

    assert not User.objects.filter(pk=carol.pk).exists()
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert (entry.action, entry.entity_label) == ("user.deleted", "Carol")
    assert entry.changes["email"] == ["carol@example.com", None]


def test_what_a_deleted_administrator_did_stays_in_the_log(alice: User, carol: User) -> None:
    other = UserFactory(role=User.Role.ADMIN)
    people.disable_user(actor=alice, user=carol)

    people.delete_user(actor=other, user=alice)

    entry = AuditEntry.objects.get(action="user.disabled")
    assert (entry.actor, entry.actor_label) == (None, "Alice <alice@example.com>")


def test_nobody_deletes_themselves(alice: User) -> None:
    UserFactory(role=User.Role.ADMIN)

    with pytest.raises(Conflict, match="cannot delete yourself"):
        people.delete_user(actor=alice, user=alice)


def test_the_only_owner_of_a_team_is_not_deleted(alice: User, carol: User) -> None:
    team = TeamFactory(name="Payments")
    TeamMember.objects.create(team=team, user=carol, role=TeamMember.Role.OWNER)

    with pytest.raises(Conflict, match="Carol is the only owner of Payments"):
        people.delete_user(actor=alice, user=carol)
