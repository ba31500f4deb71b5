"""Teams: lead, owners, members, and who may change them."""

from collections.abc import Callable

import pytest
from django.test import Client

from incidents.models import Service
from opsknight.errors import Conflict, InvalidInput, NotAllowed
from opsknight.models import AuditEntry, Team, TeamMember, User
from opsknight.services import teams
from tests.factories import ServiceFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db
Role = TeamMember.Role


@pytest.fixture
def team(carol: User) -> Team:
    """Owned by carol."""
    team = TeamFactory(name="Payments")
    TeamMember.objects.create(team=team, user=carol, role=Role.OWNER)
    return team


def member(team: Team, role: str = Role.MEMBER) -> TeamMember:
    return TeamMember.objects.create(team=team, user=UserFactory(), role=role)


def test_whoever_creates_a_team_owns_it(bob: User) -> None:
    team = teams.create_team(actor=bob, name=" Payments ")

    assert team.name == "Payments"
    assert teams.roles_in(team) == {bob.pk: Role.OWNER}
    actions = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["team.created", "team.members_changed"]


def test_a_plain_user_creates_no_team(eve: User) -> None:
    with pytest.raises(NotAllowed):
        teams.create_team(actor=eve, name="Mine")


def test_a_name_is_taken_once(bob: User, team: Team) -> None:
    with pytest.raises(InvalidInput) as caught:
        teams.create_team(actor=bob, name="Payments")

    assert "name" in caught.value.fields


def test_the_lead_must_be_a_member(bob: User, carol: User, eve: User, team: Team) -> None:
    with pytest.raises(InvalidInput) as caught:
        teams.update_team(actor=bob, team=team, values={"lead": eve})
    led = teams.update_team(actor=bob, team=team, values={"lead": carol})

    assert "lead" in caught.value.fields
    assert led.lead == carol


def test_the_lead_cannot_leave(alice: User, team: Team) -> None:
    lead = member(team)
    teams.update_team(actor=alice, team=team, values={"lead": lead.user})

    with pytest.raises(Conflict, match="lead must be a member"):
        teams.remove_member(actor=alice, member=lead)


def test_the_only_owner_cannot_leave_or_be_demoted(alice: User, carol: User, team: Team) -> None:
    owner = TeamMember.objects.get(team=team)

    with pytest.raises(Conflict, match="at least one owner"):
        teams.remove_member(actor=carol, member=owner)
    with pytest.raises(Conflict, match="at least one owner"):
        teams.change_member(actor=alice, member=owner, values={"role": Role.MEMBER})


def test_one_of_two_owners_can_go(alice: User, team: Team) -> None:
    other = member(team, Role.OWNER)

    teams.remove_member(actor=alice, member=other)

    assert other.user_id not in teams.roles_in(team)


def test_membership_is_recorded_with_the_team(alice: User, eve: User, team: Team) -> None:
    teams.add_member(actor=alice, team=team, user=eve, ip="203.0.113.9")

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.entity_label) == ("team.members_changed", "Payments")
    assert entry.changes == {"Eve: role": [None, "member"]}


def test_nobody_is_in_a_team_twice(alice: User, carol: User, team: Team) -> None:
    with pytest.raises(Conflict, match="in Payments already"):
        teams.add_member(actor=alice, team=team, user=carol)


Act = Callable[[User, Team], object]
ACTS: dict[str, Act] = {
    "rename": lambda actor, team: teams.update_team(
        actor=actor, team=team, values={"name": "Other"}
    ),
    "add a member": lambda actor, team: teams.add_member(
        actor=actor, team=team, user=UserFactory()
    ),
    "add an owner": lambda actor, team: teams.add_member(
        actor=actor, team=team, user=UserFactory(), role=Role.OWNER
    ),
    "promote": lambda actor, team: teams.change_member(
        actor=actor, member=member(team), values={"role": Role.ADMIN}
    ),
    "stop paging somebody": lambda actor, team: teams.change_member(
        actor=actor, member=member(team), values={"receives_pages": False}
    ),
    "remove a member": lambda actor, team: teams.remove_member(actor=actor, member=member(team)),
    "remove an owner": lambda actor, team: teams.remove_member(
        actor=actor, member=member(team, Role.OWNER)
    ),
    "delete": lambda actor, team: teams.delete_team(actor=actor, team=team),
}
MEMBERS_WORK = {"add a member", "stop paging somebody", "remove a member"}
ALLOWED = {
    "administrator": set(ACTS),
    "responder": MEMBERS_WORK | {"rename"},
    "owner": set(ACTS) - {"delete"},
    "team administrator": MEMBERS_WORK,
    "member": set(),
    "stranger": set(),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("who", ALLOWED)
def test_who_may_do_what(
    who: str, act: str, alice: User, bob: User, carol: User, eve: User, team: Team
) -> None:
    actor = {
        "administrator": lambda: alice,
        "responder": lambda: bob,
        "owner": lambda: carol,
        "team administrator": lambda: member(team, Role.ADMIN).user,
        "member": lambda: member(team).user,
        "stranger": lambda: eve,
    }[who]()

    try:
        ACTS[act](actor, team)
        was_allowed = True
    except NotAllowed:
        was_allowed = False

    assert was_allowed == (act in ALLOWED[who])


def test_a_member_may_leave(team: Team) -> None:
    leaving = member(team)

    teams.remove_member(actor=leaving.user, member=leaving)

    assert leaving.user_id not in teams.roles_in(team)


def test_an_owner_does_not_change_their_own_role(carol: User, team: Team) -> None:
    member(team, Role.OWNER)
    own = TeamMember.objects.get(team=team, user=carol)

    with pytest.raises(NotAllowed):
        teams.change_member(actor=carol, member=own, values={"role": Role.MEMBER})


def test_a_team_that_owns_services_is_not_deleted(alice: User, team: Team) -> None:
    ServiceFactory(name="Checkout", team=team)

    with pytest.raises(Conflict, match="to another team first: Checkout"):
        teams.delete_team(actor=alice, team=team)

    assert Service.objects.filter(team=team).exists()
    assert not AuditEntry.objects.exists()


def test_everybody_reads_teams_and_people(
    client: Client, eve: User, carol: User, team: Team
) -> None:
    client.force_login(eve)

    listed = client.get("/teams/")
    shown = client.get(f"/teams/{team.pk}/")
    people = client.get("/people/")

    assert "Payments" in listed.text
    assert "Carol" in shown.text
    assert "carol@example.com" in people.text
    assert "/admin/" not in listed.text + shown.text + people.text


def test_administrators_find_the_way_to_the_admin(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)

    assert f"/admin/opsknight/team/{team.pk}/change/" in client.get(f"/teams/{team.pk}/").text
    assert f"/admin/opsknight/user/{alice.pk}/change/" in client.get("/people/").text


def test_a_team_that_is_not_there_is_not_found(client: Client, eve: User) -> None:
    client.force_login(eve)

    assert client.get("/teams/123456/").status_code == 404


def test_people_are_found_by_name_and_address(client: Client, eve: User, carol: User) -> None:
    client.force_login(eve)

    found = client.get("/people/", {"q": "CAROL@"}).context["people"]

    assert list(found) == [carol]


def test_many_people_come_in_pages(client: Client, eve: User) -> None:
    client.force_login(eve)
    UserFactory.create_batch(101)

    first = client.get("/people/", {"q": "example"})
    second = client.get("/people/" + first.context["next"])

    assert len(first.context["people"]) == 100
    assert len(second.context["people"]) == 2
    assert second.context["previous"] == "?q=example&page=1"


@pytest.mark.parametrize("page", ["/people/", "/teams/"])
def test_ten_rows_cost_as_many_queries_as_one(
    client: Client, eve: User, page: str, django_assert_num_queries
) -> None:
    client.force_login(eve)
    TeamFactory(members=[UserFactory()])
    # session, user, rows; on /people/ also how many there are, and the memberships of all
    expected = 5 if page == "/people/" else 3
    with django_assert_num_queries(expected):
        client.get(page)
    for _ in range(10):
        TeamFactory(members=[UserFactory(), UserFactory()])

    with django_assert_num_queries(expected):
        client.get(page)
