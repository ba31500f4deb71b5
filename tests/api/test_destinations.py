"""Destinations over the REST API."""

from typing import Any

import pytest

from notifications.models import Destination, Notification
from opsknight.models import AuditEntry, Team
from tests.api.asking import Asker, code_of, fields_of
from tests.factories import DestinationFactory, PolicyFactory

HOOK = {
    "name": "Board",
    "team": None,
    "channel": "webhook",
    "address": "https://hooks.example.com/T0KEN",
}


@pytest.fixture
def lead(team: Team, carol: Asker) -> Asker:
    """Leads the team."""
    team.lead = carol.user
    team.save(update_fields=["lead"])
    return carol


def test_the_secret_is_shown_once(alice: Asker) -> None:
    made = alice.post("destinations", HOOK).json()

    place = Destination.objects.get()
    assert made.pop("secret") == place.secret
    assert made == alice.get(f"destinations/{place.pk}").json()
    assert {name: made[name] for name in HOOK} == HOOK
    assert (made["enabled"], made["broken_reason"]) == (True, "")
    assert AuditEntry.objects.get(action="destination.created").actor == alice.user


def test_readers_see_where_a_webhook_leads_and_no_token(bob: Asker) -> None:
    place = DestinationFactory(address=HOOK["address"])
    DestinationFactory(channel="email", address="noc@example.com")

    one = bob.get(f"destinations/{place.pk}").json()
    listed = bob.get("destinations").json()["results"]

    assert one["address"] == "https://hooks.example.com/…"
    assert [row["address"] for row in listed] == ["https://hooks.example.com/…", "noc@example.com"]
    assert "secret" not in one


def test_a_lead_makes_channels_of_the_own_team(lead: Asker, team: Team) -> None:
    refused = lead.post("destinations", HOOK)
    made = lead.post("destinations", HOOK | {"team": team.pk})

    assert set(fields_of(refused)) == {"team"}
    assert (made.status_code, made.json()["team"]) == (201, team.pk)
    assert made.json()["address"] == HOOK["address"]


def test_a_lead_changes_and_deletes_them(lead: Asker, team: Team) -> None:
    place = DestinationFactory(team=team)

    assert lead.patch(f"destinations/{place.pk}", {"name": "New"}).json()["name"] == "New"
    assert lead.post(f"destinations/{place.pk}/test").status_code == 202
    assert lead.delete(f"destinations/{place.pk}").status_code == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"address": "ftp://example.com"}, "address"),
        ({"address": "https://user:pw@example.com/"}, "address"),
        ({"address": "https://example.com/\u0000"}, "address"),
        ({"channel": "in_app"}, "channel"),
        ({"channel": "email"}, "channel"),  # the kind stays
        ({"team": 10**12}, "team"),
        ({"enabled": "perhaps"}, "enabled"),
    ],
)
def test_what_cannot_be_used_is_named(alice: Asker, body: dict[str, Any], field: str) -> None:
    place = DestinationFactory()

    response = alice.patch(f"destinations/{place.pk}", body)

    assert set(fields_of(response)) == {field}


def test_a_broken_one_is_taken_into_use_again(alice: Asker) -> None:
    place = DestinationFactory(enabled=False, broken_reason="Answered 410.")

    answered = alice.patch(f"destinations/{place.pk}", {"enabled": True}).json()

    assert (answered["enabled"], answered["broken_reason"]) == (True, "")


def test_a_test_is_queued(alice: Asker) -> None:
    place = DestinationFactory()

    response = alice.post(f"destinations/{place.pk}/test")

    row = Notification.objects.get()
    assert (response.status_code, response.json()["id"]) == (202, row.pk)
    assert (row.destination, row.reason, row.incident) == (place, "test", None)


def test_what_is_switched_off_is_not_tested(alice: Asker) -> None:
    response = alice.post(f"destinations/{DestinationFactory(enabled=False).pk}/test")

    assert (response.status_code, code_of(response)) == (409, "conflict")


def test_what_a_policy_pages_is_not_deleted(alice: Asker) -> None:
    place = DestinationFactory()
    PolicyFactory(name="Night", steps=[(0, [place])])

    response = alice.delete(f"destinations/{place.pk}")

    assert (response.status_code, code_of(response)) == (409, "conflict")
    assert "the policy Night" in response.json()["error"]["message"]
