"""The admin: for administrators only, every change in the audit log, the rules of the services."""

import re

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from incidents.models import Incident, Integration, Service
from opsknight.admin import AuditedModelAdmin, ReadOnlyAdmin
from opsknight.models import ApiKey, AuditEntry, Team, TeamMember, User
from opsknight.services.keys import authenticate_key, create_api_key
from tests.factories import (
    IncidentFactory,
    IntegrationFactory,
    ServiceFactory,
    TeamFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
NO_ROWS = {"TOTAL_FORMS": "0", "INITIAL_FORMS": "0"}


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    """Alice's browser."""
    client.force_login(alice)
    return client


def rows(prefix: str, *rows: dict[str, object], stored: int = 0) -> dict[str, object]:
    """The fields of an inline with its rows, the first `stored` of which exist already."""
    data: dict[str, object] = {
        f"{prefix}-TOTAL_FORMS": len(rows),
        f"{prefix}-INITIAL_FORMS": stored,
    }
    for number, row in enumerate(rows):
        data |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return data


def user_form(user: User, **values: str) -> dict[str, object]:
    names = ("email", "name", "role", "status", "time_zone")
    form = {name: getattr(user, name) for name in names} | values
    return {**form, **rows("memberships")}


def change_user(desk: Client, user: User, **values: str):
    path = f"/admin/opsknight/user/{user.pk}/change/"
    return desk.post(path, user_form(user, **values), follow=True)


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def page_of(model: type[Model], page: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")


REGISTERED = admin.site._registry
LISTS = [page_of(model, "changelist") for model in REGISTERED]
# Rows that are made elsewhere have no form to add them.
FORMS = [page_of(m, "add") for m, desk in REGISTERED.items() if not isinstance(desk, ReadOnlyAdmin)]
PAGES = ["/admin/", *LISTS, *FORMS]


@pytest.mark.parametrize("page", PAGES)
def test_administrators_open_every_page(desk: Client, page: str) -> None:
    assert desk.get(page).status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_responders_open_no_page(client: Client, bob: User, page: str) -> None:
    client.force_login(bob)

    assert client.get(page, follow=True).status_code == 403


@pytest.mark.parametrize("page", PAGES)
def test_strangers_are_sent_to_sign_in(client: Client, page: str, db: None) -> None:
    response = client.get(page, follow=True)

    assert response.redirect_chain[-1][0].startswith("/login/?next=/admin/")


@pytest.mark.parametrize("model", REGISTERED)
def test_every_change_of_every_model_is_recorded(model: type[Model]) -> None:
    assert isinstance(REGISTERED[model], AuditedModelAdmin)


@pytest.mark.parametrize("model", REGISTERED)
def test_every_list_is_searched(model: type[Model]) -> None:
    assert REGISTERED[model].search_fields


@pytest.mark.parametrize("page", LISTS)
def test_search_finds_without_an_error(desk: Client, page: str) -> None:
    assert desk.get(page, {"q": "something"}).status_code == 200


def test_password_hashes_cannot_be_guessed_by_filters(desk: Client) -> None:
    address = page_of(User, "changelist")

    response = desk.get(address, {"password__startswith": "argon2"})

    assert response.status_code == 400


def test_incidents_are_not_in_the_admin(desk: Client) -> None:
    assert desk.get("/admin/incidents/incident/").status_code == 404
    assert Incident not in admin.site._registry


def test_the_admin_needs_the_csrf_token(alice: User, carol: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    response = change_user(client, carol, role="admin")

    assert response.status_code == 403


def test_adding_a_person_shows_an_invitation_that_works(desk: Client) -> None:
    form = {"email": "Dora@Example.com", "name": "Dora", "role": "responder", "time_zone": "UTC"}

    response = desk.post("/admin/opsknight/user/add/", form)

    user = User.objects.get(email="dora@example.com")
    assert user.status == User.Status.INVITED
    link = re.search(r"http://\S+?(/invite/[\w-]+/)", response.text)
    assert link
    assert Client().get(link[1]).status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert actions() == ["user.invited"]


def test_adding_a_person_twice_names_the_field(desk: Client, bob: User) -> None:
    form = {"email": "BOB@example.com", "name": "Bob", "role": "user", "time_zone": "UTC"}

    response = desk.post("/admin/opsknight/user/add/", form)

    assert "email" in response.context["adminform"].form.errors


def test_changing_a_person_is_recorded_with_address(desk: Client, alice: User, bob: User) -> None:
    change_user(desk, bob, role="user", name="Robert")

    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.ip) == (alice, "127.0.0.1")
    assert entry.changes == {"name": ["Bob", "Robert"], "role": ["responder", "user"]}


def test_saving_without_a_change_records_nothing(desk: Client, bob: User) -> None:
    change_user(desk, bob)

    assert actions() == []


def test_a_person_who_is_disabled_in_the_admin_is_signed_out(desk: Client, bob: User) -> None:
    his = Client()
    his.force_login(bob)

    change_user(desk, bob, status="disabled")

    assert his.get("/profile/").status_code == 302


def test_one_cannot_change_ones_own_role(desk: Client, alice: User) -> None:
    change_user(desk, alice, role="user", status="disabled", name="Al")

    alice.refresh_from_db()
    assert (alice.role, alice.status, alice.name) == ("admin", "active", "Al")


def test_one_cannot_delete_oneself(desk: Client, alice: User) -> None:
    path = f"/admin/opsknight/user/{alice.pk}/delete/"

    assert desk.get(path).status_code == 403
    assert desk.post(path, {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=alice.pk).exists()


def test_deleting_a_selection_with_oneself_deletes_nobody(
    desk: Client, alice: User, bob: User
) -> None:
    form = {
        "action": "delete_selected",
        "_selected_action": [bob.pk, alice.pk],
        "post": "yes",
    }

    response = desk.post("/admin/opsknight/user/", form, follow=True)

    assert "You cannot delete yourself" in response.text
    assert User.objects.filter(pk__in=[alice.pk, bob.pk]).count() == 2
    assert actions() == []


def test_deleting_a_person_says_what_goes_along(desk: Client, bob: User) -> None:
    TeamFactory(name="Payments", members=[bob])
    incident = IncidentFactory(title="Secret breach", visibility="private", assignee=bob)

    page = desk.get(f"/admin/opsknight/user/{bob.pk}/delete/")

    assert "1 team member" in page.text
    assert "Bob in Payments" in page.text
    assert incident.title not in page.text


def test_deleting_a_person_is_recorded(desk: Client, bob: User) -> None:
    desk.post(f"/admin/opsknight/user/{bob.pk}/delete/", {"post": "yes"})

    assert not User.objects.filter(pk=bob.pk).exists()
    assert actions() == ["user.deleted"]


def test_the_only_owner_is_not_deleted_and_the_reason_is_said(desk: Client, bob: User) -> None:
    team = TeamFactory(name="Payments")
    TeamMember.objects.create(team=team, user=bob, role=TeamMember.Role.OWNER)

    response = desk.post(f"/admin/opsknight/user/{bob.pk}/delete/", {"post": "yes"}, follow=True)

    assert "Bob is the only owner of Payments" in response.text
    assert User.objects.filter(pk=bob.pk).exists()


def test_disabling_a_selection_leaves_oneself_out(desk: Client, alice: User, bob: User) -> None:
    form = {"action": "disable_selected", "_selected_action": [alice.pk, bob.pk]}

    response = desk.post("/admin/opsknight/user/", form, follow=True)

    assert "Alice: You cannot change this for yourself" in response.text
    assert "Bob: disabled." in response.text
    assert actions() == ["user.disabled"]


def test_a_link_for_a_new_password_is_made_on_post_only(desk: Client, bob: User) -> None:
    path = f"/admin/opsknight/user/{bob.pk}/link/"

    asked = desk.get(path)
    made = desk.post(path)

    assert "/reset/" not in asked.text
    link = re.search(r"(/reset/[\w-]+/)", made.text)
    assert link
    assert Client().get(link[1]).status_code == 200
    assert actions() == ["user.password_reset_link"]


def test_a_team_is_created_with_members_and_recorded(desk: Client, bob: User, carol: User) -> None:
    members = rows(
        "memberships",
        {"user": bob.pk, "role": "owner", "receives_pages": "on"},
        {"user": carol.pk, "role": "member"},
    )

    desk.post(
        "/admin/opsknight/team/add/",
        {"name": "Payments", "description": "", "lead": bob.pk, **members},
    )

    team = Team.objects.get()
    assert team.lead == bob
    entry = AuditEntry.objects.get()
    assert entry.action == "team.created"
    assert entry.changes["name"] == [None, "Payments"]
    assert entry.changes["lead"] == [None, "Bob"]
    before, after = entry.changes["team member Carol in Payments"]
    assert before is None
    assert (after["user"], after["role"], after["receives_pages"]) == ("Carol", "member", False)


def test_the_lead_of_a_team_must_be_among_its_members(desk: Client, bob: User, eve: User) -> None:
    members = rows("memberships", {"user": bob.pk, "role": "owner"})

    response = desk.post(
        "/admin/opsknight/team/add/",
        {"name": "Payments", "description": "", "lead": eve.pk, **members},
    )

    assert "The lead must be a member" in response.text
    assert not Team.objects.exists()


def test_a_team_keeps_an_owner(desk: Client, bob: User) -> None:
    team = TeamFactory(name="Payments")
    row = TeamMember.objects.create(team=team, user=bob, role=TeamMember.Role.OWNER)
    members = rows(
        "memberships",
        {"id": row.pk, "team": team.pk, "user": bob.pk, "role": "member"},
        stored=1,
    )

    response = desk.post(
        f"/admin/opsknight/team/{team.pk}/change/",
        {"name": "Payments", "description": "", "lead": "", **members},
    )

    assert "keeps at least one owner" in response.text
    row.refresh_from_db()
    assert row.role == TeamMember.Role.OWNER


def test_changed_and_removed_members_are_recorded(desk: Client, bob: User, carol: User) -> None:
    team = TeamFactory(name="Payments", members=[bob, carol])
    first, second = TeamMember.objects.order_by("user__name")
    members = rows(
        "memberships",
        {"id": first.pk, "team": team.pk, "user": bob.pk, "role": "admin", "receives_pages": "on"},
        {"id": second.pk, "team": team.pk, "user": carol.pk, "role": "member", "DELETE": "on"},
        stored=2,
    )

    desk.post(
        f"/admin/opsknight/team/{team.pk}/change/",
        {"name": "Payments", "description": "", "lead": "", **members},
    )

    changes = AuditEntry.objects.get().changes
    assert changes["team member Bob in Payments"] == [{"role": "member"}, {"role": "admin"}]
    removed, after = changes["team member Carol in Payments"]
    assert (removed["user"], after) == ("Carol", None)


def test_a_team_that_owns_services_cannot_be_deleted(desk: Client) -> None:
    team = TeamFactory(name="Payments")
    ServiceFactory(name="Checkout", team=team)

    page = desk.get(f"/admin/opsknight/team/{team.pk}/delete/")
    desk.post(f"/admin/opsknight/team/{team.pk}/delete/", {"post": "yes"})

    assert "Service Checkout" in page.text
    assert Team.objects.filter(pk=team.pk).exists()


def test_a_service_is_created_with_an_integration_whose_key_is_not_logged(desk: Client) -> None:
    integrations = rows("integrations", {"name": "Prod", "kind": "prometheus", "enabled": "on"})

    desk.post(
        "/admin/incidents/service/add/",
        {
            "name": "Checkout",
            "description": "",
            "team": "",
            "escalation_policy": "",
            "storm_threshold": "60",
            "flapping_openings": "5",
            "flapping_minutes": "30",
            **integrations,
        },
    )

    integration = Integration.objects.get()
    entry = AuditEntry.objects.get()
    assert entry.action == "service.created"
    assert integration.key not in str(entry.changes)
    assert "•••" in str(entry.changes)


def test_deleting_a_service_names_no_incident(desk: Client) -> None:
    service = ServiceFactory(name="Checkout")
    IntegrationFactory(service=service, name="Prod")
    for number in range(3):
        IncidentFactory(
            service=service, title=f"Secret {number}", visibility="private", status="resolved"
        )

    page = desk.get(f"/admin/incidents/service/{service.pk}/delete/")
    desk.post(f"/admin/incidents/service/{service.pk}/delete/", {"post": "yes"})

    assert "3 incidents" in page.text
    assert "Prod" in page.text
    assert "Secret" not in page.text
    assert not Service.objects.exists()
    assert actions() == ["service.deleted"]


def test_a_service_with_open_incidents_is_not_deleted(desk: Client) -> None:
    service = ServiceFactory(name="Checkout")
    IncidentFactory(service=service)

    response = desk.post(
        f"/admin/incidents/service/{service.pk}/delete/", {"post": "yes"}, follow=True
    )

    assert "has 1 open incidents" in response.text
    assert Service.objects.exists()


def test_deleting_a_selection_is_recorded_one_by_one(desk: Client) -> None:
    chosen = [ServiceFactory(name=f"S{number}").pk for number in range(2)]
    form = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}

    desk.post("/admin/incidents/service/", form)

    labels = AuditEntry.objects.order_by("id").values_list("action", "entity_label")
    assert list(labels) == [("service.deleted", "S0"), ("service.deleted", "S1")]


def test_an_integration_shows_its_key_and_gets_a_new_one(desk: Client) -> None:
    integration = IntegrationFactory()
    old = integration.key

    shown = desk.get(f"/admin/incidents/integration/{integration.pk}/change/")
    asked = desk.get(f"/admin/incidents/integration/{integration.pk}/rotate/")
    integration.refresh_from_db()
    unchanged = integration.key
    desk.post(f"/admin/incidents/integration/{integration.pk}/rotate/")

    assert old in shown.text
    assert asked.status_code == 200
    assert unchanged == old
    integration.refresh_from_db()
    assert integration.key != old
    entry = AuditEntry.objects.get()
    assert entry.changes == {"key": ["•••", "•••"]}


def test_keys_are_revoked_by_administrators(desk: Client, bob: User) -> None:
    key, token = create_api_key(user=bob, name="Script", scopes=["events:write"])

    desk.post(
        "/admin/opsknight/apikey/", {"action": "revoke_selected", "_selected_action": [key.pk]}
    )

    assert authenticate_key(token) is None
    assert actions() == ["api_key.created", "api_key.revoked"]


def test_keys_and_log_cannot_be_changed(desk: Client, bob: User) -> None:
    key, _ = create_api_key(user=bob, name="Script", scopes=["events:write"])
    entry = AuditEntry.objects.get()

    answers = [
        desk.post(path, {"name": "Other", "post": "yes"}).status_code
        for path in (
            f"/admin/opsknight/apikey/{key.pk}/change/",
            f"/admin/opsknight/apikey/{key.pk}/delete/",
            f"/admin/opsknight/auditentry/{entry.pk}/change/",
            f"/admin/opsknight/auditentry/{entry.pk}/delete/",
        )
    ]

    assert answers == [403] * 4
    assert (ApiKey.objects.count(), AuditEntry.objects.count()) == (1, 1)


def test_the_log_is_read_found_and_filtered(desk: Client, bob: User) -> None:
    change_user(desk, bob, name="Robert")
    path = "/admin/opsknight/auditentry/"

    found = desk.get(path, {"q": "Robert"})
    filtered = desk.get(path, {"kind": "team"})
    opened = desk.get(f"{path}{AuditEntry.objects.get().pk}/change/")

    assert "name: Bob → Robert" in found.text
    assert filtered.context["cl"].result_count == 0
    assert "name: Bob → Robert" in opened.text


def test_the_history_of_an_object_is_its_part_of_the_log(desk: Client, bob: User) -> None:
    change_user(desk, bob, name="Robert")
    change_user(desk, UserFactory(), name="Other")

    response = desk.get(f"/admin/opsknight/user/{bob.pk}/history/", follow=True)

    assert [entry.entity_id for entry in response.context["cl"].result_list] == [str(bob.pk)]
