"""Who gets which page, and who may do what: every view, every kind of person."""

import pytest
from django.test import Client
from django.urls import reverse

from incidents.models import Incident, Integration, Service
from opsknight.models import User
from tests.factories import IntegrationFactory
from tests.incidents.cast import browser

PLAIN_PAGES = ["dashboard", "counters", "list", "services"]
INCIDENT_PAGES = ["detail", "header", "timeline"]
# GET shows the form where dialogs do not work.
INCIDENT_FORMS = ["resolve", "reassign"]
INCIDENT_ACTIONS = ["acknowledge", "unacknowledge", "resolve", "reassign", "note"]
INTEGRATION_ACTIONS = [
    "integration_toggle",
    "integration_rotate",
    "integration_delete",
    "send_test_alert",
]
POST_ONLY = ["acknowledge", "unacknowledge", "note"]


@pytest.fixture
def integration(checkout: Service) -> Integration:
    return IntegrationFactory(service=checkout)


# --- Nobody is signed in --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PLAIN_PAGES, "new", "service_new"])
def test_stranger_is_led_to_the_login(client: Client, db: None, name: str) -> None:
    address = reverse(f"incidents:{name}")

    response = client.get(address)

    assert response.status_code == 302
    assert response["Location"] == f"/login/?next={address}"


@pytest.mark.parametrize("name", [*INCIDENT_PAGES, *INCIDENT_ACTIONS])
def test_stranger_cannot_tell_whether_an_incident_exists(
    client: Client, outage: Incident, name: str
) -> None:
    there = client.post(reverse(f"incidents:{name}", args=[outage.pk]))
    not_there = client.post(reverse(f"incidents:{name}", args=[outage.pk + 1]))

    assert (there.status_code, not_there.status_code) == (302, 302)
    assert there["Location"].startswith("/login/")


# --- Out of sight is not found --------------------------------------------------------------------


@pytest.mark.parametrize("name", [*INCIDENT_PAGES, *INCIDENT_FORMS])
def test_outsider_does_not_find_the_incident_of_another_team(
    eve: User, outage: Incident, name: str
) -> None:
    response = browser(eve).get(reverse(f"incidents:{name}", args=[outage.pk]))

    assert response.status_code == 404
    assert outage.title not in response.content.decode()


@pytest.mark.parametrize("name", INCIDENT_ACTIONS)
def test_outsider_cannot_act_on_what_is_out_of_sight(
    eve: User, outage: Incident, name: str
) -> None:
    response = browser(eve).post(reverse(f"incidents:{name}", args=[outage.pk]), {"text": "Hi"})

    outage.refresh_from_db()
    assert response.status_code == 404
    assert outage.status == "triggered"


@pytest.mark.parametrize("name", INCIDENT_PAGES)
def test_private_incident_is_not_found_even_by_an_administrator(
    alice: User, secret: Incident, name: str
) -> None:
    response = browser(alice).get(reverse(f"incidents:{name}", args=[secret.pk]))

    assert response.status_code == 404


@pytest.mark.parametrize("name", INCIDENT_ACTIONS)
def test_private_incident_cannot_be_acted_on_by_an_administrator(
    alice: User, secret: Incident, name: str
) -> None:
    response = browser(alice).post(reverse(f"incidents:{name}", args=[secret.pk]), {"text": "Hi"})

    assert response.status_code == 404


@pytest.mark.parametrize("name", ["dashboard", "list", "service"])
def test_private_incident_is_on_no_list_of_others(
    bob: User, secret: Incident, outage: Incident, name: str
) -> None:
    args = [secret.service_id] if name == "service" else []

    text = browser(bob).get(reverse(f"incidents:{name}", args=args)).content.decode()

    assert outage.title in text
    assert secret.title not in text


def test_team_sees_its_private_incident_with_a_badge(carol: User, secret: Incident) -> None:
    text = browser(carol).get(reverse("incidents:detail", args=[secret.pk])).content.decode()

    assert secret.title in text
    assert "Private" in text


@pytest.mark.parametrize("name", ["detail", "service"])
def test_number_that_no_row_can_have_is_not_found(alice: User, name: str) -> None:
    response = browser(alice).get(reverse(f"incidents:{name}", args=[10**30]))

    assert response.status_code == 404


# --- In sight but not allowed is forbidden --------------------------------------------------------


@pytest.mark.parametrize("name", INCIDENT_ACTIONS)
def test_reader_may_not_act(eve: User, typo: Incident, name: str) -> None:
    response = browser(eve).post(reverse(f"incidents:{name}", args=[typo.pk]), {"text": "Hi"})

    typo.refresh_from_db()
    assert response.status_code == 403
    assert typo.status == "triggered"


def test_reader_sees_the_incident_without_buttons(eve: User, typo: Incident) -> None:
    text = browser(eve).get(reverse("incidents:detail", args=[typo.pk])).content.decode()

    assert typo.title in text
    assert "<form" not in text.split('<main class="content"')[1].split("</main>")[0]
    assert reverse("incidents:acknowledge", args=[typo.pk]) not in text


@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_responders_and_the_team_may_act(
    who: str, outage: Incident, request: pytest.FixtureRequest
) -> None:
    client = browser(request.getfixturevalue(who))

    page = client.get(reverse("incidents:detail", args=[outage.pk])).content.decode()
    response = client.post(reverse("incidents:acknowledge", args=[outage.pk]))

    outage.refresh_from_db()
    assert reverse("incidents:acknowledge", args=[outage.pk]) in page
    assert response.status_code == 302
    assert outage.status == "acknowledged"


def test_assignee_may_act(eve: User, typo: Incident) -> None:
    Incident.objects.filter(pk=typo.pk).update(assignee=eve)

    browser(eve).post(reverse("incidents:resolve", args=[typo.pk]))

    typo.refresh_from_db()
    assert typo.status == "resolved"


@pytest.mark.parametrize("who", ["carol", "eve"])
@pytest.mark.parametrize("name", ["new", "service_new"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_only_responders_open_incidents_and_create_services(
    who: str, name: str, method: str, request: pytest.FixtureRequest
) -> None:
    client = browser(request.getfixturevalue(who))

    response = getattr(client, method)(reverse(f"incidents:{name}"), {"name": "X", "title": "X"})

    assert response.status_code == 403
    assert not Incident.objects.exists()
    assert not Service.objects.filter(name="X").exists()


# --- Services and integrations --------------------------------------------------------------------


def test_everybody_sees_a_service_without_its_keys(
    eve: User, integration: Integration, outage: Incident
) -> None:
    text = browser(eve).get(reverse("incidents:service", args=[integration.service_id])).content

    assert integration.service.name.encode() in text
    assert integration.key.encode() not in text
    assert outage.title.encode() not in text


@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_those_who_configure_a_service_see_its_keys(
    who: str, integration: Integration, request: pytest.FixtureRequest
) -> None:
    client = browser(request.getfixturevalue(who))
    page = reverse("incidents:integration", args=[integration.pk])

    service = client.get(reverse("incidents:service", args=[integration.service_id]))
    text = client.get(page).content.decode()

    assert page in service.content.decode()
    assert integration.key in text
    assert "http://testserver/api/events" in text


@pytest.mark.parametrize("name", ["service_edit", "integration_create"])
def test_reader_may_not_configure_a_service(eve: User, checkout: Service, name: str) -> None:
    address = reverse(f"incidents:{name}", args=[checkout.pk])

    response = browser(eve).post(address, {"name": "Mine now", "kind": "events"})

    checkout.refresh_from_db()
    assert response.status_code == 403
    assert checkout.name == "Checkout"
    assert not checkout.integrations.exists()


@pytest.mark.parametrize("name", INTEGRATION_ACTIONS)
def test_outsider_does_not_find_an_integration(
    eve: User, integration: Integration, name: str
) -> None:
    key = integration.key

    response = browser(eve).post(reverse(f"incidents:{name}", args=[integration.pk]))

    integration.refresh_from_db()
    assert response.status_code == 404
    assert (integration.key, integration.enabled) == (key, True)


@pytest.mark.parametrize("name", ["service", "service_edit", "integration_create"])
def test_service_that_is_not_there_is_not_found(alice: User, name: str) -> None:
    response = browser(alice).post(reverse(f"incidents:{name}", args=[4711]))

    assert response.status_code in (404, 405)


# --- Methods and forgery --------------------------------------------------------------------------


@pytest.mark.parametrize("name", POST_ONLY)
def test_actions_on_incidents_are_posts(bob: User, outage: Incident, name: str) -> None:
    response = browser(bob).get(reverse(f"incidents:{name}", args=[outage.pk]))

    outage.refresh_from_db()
    assert response.status_code == 405
    assert outage.status == "triggered"


@pytest.mark.parametrize("name", ["integration_toggle", "send_test_alert"])
def test_actions_on_integrations_are_posts(bob: User, integration: Integration, name: str) -> None:
    response = browser(bob).get(reverse(f"incidents:{name}", args=[integration.pk]))

    assert response.status_code == 405


@pytest.mark.parametrize("name", ["bulk", "integration_create"])
def test_other_actions_are_posts(bob: User, checkout: Service, name: str) -> None:
    args = [checkout.pk] if name == "integration_create" else []

    assert browser(bob).get(reverse(f"incidents:{name}", args=args)).status_code == 405


@pytest.mark.parametrize("name", ["integration_rotate", "integration_delete"])
def test_looking_at_a_question_changes_nothing(
    bob: User, integration: Integration, name: str
) -> None:
    key = integration.key

    response = browser(bob).get(reverse(f"incidents:{name}", args=[integration.pk]))

    integration.refresh_from_db()
    assert response.status_code == 200
    assert integration.key == key


@pytest.mark.parametrize("name", INCIDENT_ACTIONS)
def test_forged_action_on_an_incident_is_refused(bob: User, outage: Incident, name: str) -> None:
    client = browser(bob, enforces_csrf=True)

    response = client.post(reverse(f"incidents:{name}", args=[outage.pk]), {"text": "Hi"})

    outage.refresh_from_db()
    assert response.status_code == 403
    assert (outage.status, outage.timeline.count()) == ("triggered", 0)


@pytest.mark.parametrize("name", INTEGRATION_ACTIONS)
def test_forged_action_on_an_integration_is_refused(
    bob: User, integration: Integration, name: str
) -> None:
    client = browser(bob, enforces_csrf=True)

    response = client.post(reverse(f"incidents:{name}", args=[integration.pk]))

    assert response.status_code == 403
    assert Integration.objects.filter(pk=integration.pk, key=integration.key).exists()


def test_forged_bulk_action_is_refused(bob: User, outage: Incident) -> None:
    client = browser(bob, enforces_csrf=True)

    response = client.post(reverse("incidents:bulk"), {"incident": outage.pk, "action": "resolve"})

    outage.refresh_from_db()
    assert response.status_code == 403
    assert outage.status == "triggered"
