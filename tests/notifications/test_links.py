"""Signed one-tap links: who may answer with them, and when they die."""

import io
import logging
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.core.signing import Signer
from django.test import Client
from django.utils import timezone

from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from notifications.links import SignedAnswer, answer_url, sign_answer
from notifications.models import ContactMethod, Notification
from notifications.services.claims import claim_pages
from opsknight.logs import HideSecrets
from opsknight.models import User
from tests.factories import (
    ContactMethodFactory,
    DestinationFactory,
    IncidentFactory,
    NotificationFactory,
)

pytestmark = pytest.mark.django_db
Status = Incident.Status
State = Notification.State


@pytest.fixture
def page(incident: Incident, carol: User) -> Notification:
    """What was mailed to carol."""
    incident.participants.create(user=carol)
    return NotificationFactory(
        incident=incident, user=carol, state=State.SENT, finished_at=timezone.now()
    )


def path_of(page: Notification, action: str = "acknowledge") -> str:
    return f"/a/{sign_answer(SignedAnswer(page.pk, action))}/"  # type: ignore[arg-type]


def status_of(incident: Incident) -> str:
    return Incident.objects.get(pk=incident.pk).status


def make_private(incident: Incident) -> None:
    Incident.objects.filter(pk=incident.pk).update(
        visibility="private", description="The password is hunter2"
    )


def test_one_press_acknowledges_in_the_name_of_whom_it_was_sent_to(
    client: Client, page: Notification, incident: Incident, carol: User
) -> None:
    response = client.post(path_of(page))

    incident.refresh_from_db()
    assert "Acknowledged." in response.content.decode()
    assert (incident.status, incident.acknowledged_by) == (Status.ACKNOWLEDGED, carol)
    entry = TimelineEntry.objects.get(incident=incident)
    assert (entry.message, entry.actor) == ("Acknowledged by Carol by e-mail link", carol)


def test_one_press_resolves(client: Client, page: Notification, incident: Incident) -> None:
    response = client.post(path_of(page, "resolve"))

    assert "Resolved." in response.content.decode()
    assert status_of(incident) == Status.RESOLVED


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_mail_scanner_that_opens_the_link_changes_nothing(
    client: Client, page: Notification, incident: Incident, method: str
) -> None:
    for action in ("acknowledge", "resolve"):
        response = getattr(client, method)(path_of(page, action))
        assert response.status_code == 200

    assert status_of(incident) == Status.TRIGGERED
    assert not TimelineEntry.objects.filter(incident=incident).exists()


def test_opening_the_link_shows_the_title_and_one_form(client: Client, page: Notification) -> None:
    html = client.get(path_of(page)).content.decode()

    assert "Error rate above 5 %" in html
    assert html.count("<form") == 1
    assert "Acknowledge" in html
    assert "This link was sent to <strong>Carol</strong>" in html


def test_the_link_of_a_private_incident_shows_no_more_than_its_title(
    client: Client, page: Notification, incident: Incident, bob: User
) -> None:
    make_private(incident)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    html = client.get(path_of(page)).content.decode() + client.post(path_of(page)).content.decode()

    assert "Error rate above 5 %" in html
    assert "It is acknowledged already." in html
    for hidden in ("hunter2", "Checkout", "Bob"):
        assert hidden not in html


def test_the_person_whom_it_was_sent_to_hears_who_was_first(
    client: Client, page: Notification, incident: Incident, bob: User, carol: User
) -> None:
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    client.force_login(carol)

    html = client.post(path_of(page)).content.decode()

    assert "Already acknowledged by Bob." in html


def test_a_forwarded_link_of_a_private_incident_acts_as_the_person_it_was_sent_to(
    client: Client, page: Notification, incident: Incident, carol: User, eve: User
) -> None:
    make_private(incident)
    client.force_login(eve)

    client.post(path_of(page))

    assert Incident.objects.get(pk=incident.pk).acknowledged_by == carol
    assert client.get(f"/incidents/{incident.pk}/").status_code == 404


def test_an_answer_that_is_repeated_changes_nothing_more(
    client: Client, page: Notification, incident: Incident
) -> None:
    for _ in range(3):
        assert client.post(path_of(page)).status_code == 200

    assert TimelineEntry.objects.filter(incident=incident).count() == 1


def test_a_link_needs_no_session_and_no_token_of_a_form(page: Notification) -> None:
    strict = Client(enforce_csrf_checks=True)

    assert strict.post(path_of(page)).status_code == 200


def test_the_action_of_a_push_message_is_answered_in_json(
    client: Client, page: Notification
) -> None:
    first = client.post(path_of(page), headers={"Accept": "application/json"})
    second = client.post(path_of(page), headers={"Accept": "application/json"})

    assert first.json() == {"text": "Acknowledged.", "is_done": True}
    assert second.json() == {"text": "It is acknowledged already.", "is_done": False}


def test_one_link_acknowledges_all_that_its_message_named_and_nothing_else(
    client: Client, page: Notification, incident: Incident, carol: User
) -> None:
    together = [IncidentFactory(service=incident.service, title=f"Disk {n}") for n in range(3)]
    for one in together:
        one.participants.create(user=carol)
    rows = [
        NotificationFactory(
            incident=one, user=carol, address=page.address, state=State.SENT,
            finished_at=timezone.now(),
        )
        for one in together
    ]  # fmt: skip
    message = [row.pk for row in (page, *rows[:2])]
    Notification.objects.filter(pk__in=message).update(bundle=uuid4())
    acknowledge_incidents(incident_ids=[together[0].pk], actor=carol)
    hidden, path = together[1], path_of(page, "acknowledge_all")
    shown = client.get(path).content.decode()
    make_private(hidden)
    hidden.participants.all().delete()
    carol.memberships.all().delete()

    said = client.post(path, headers={"Accept": "application/json"}).json()
    again = client.post(path, headers={"Accept": "application/json"}).json()

    assert "3 incidents" in shown
    assert "Acknowledge all" in shown
    assert "Disk 2" not in shown
    assert said == {"text": "1 acknowledged. 1 needed nothing any more.", "is_done": True}
    assert again == {"text": "None of them needs this any more.", "is_done": False}
    assert [status_of(one) for one in (incident, *together)] == [
        Status.ACKNOWLEDGED, Status.ACKNOWLEDGED, Status.TRIGGERED, Status.TRIGGERED,
    ]  # fmt: skip


SIGNED_FOR_SOMETHING_ELSE = "signed"  # the key is another one in every process of the tests


@pytest.mark.parametrize(
    "token", ["1.acknowledge.AAAA", "1.acknowledge", "acknowledge", SIGNED_FOR_SOMETHING_ELSE]
)
def test_a_forged_link_is_unknown(client: Client, token: str) -> None:
    if token == SIGNED_FOR_SOMETHING_ELSE:
        token = Signer(salt="another").sign("1.acknowledge").replace(":", ".")

    assert client.get(f"/a/{token}/").status_code == 404
    assert client.post(f"/a/{token}/").status_code == 404


def test_a_link_cannot_be_turned_into_another(
    client: Client, page: Notification, incident: Incident
) -> None:
    path = path_of(page)

    assert client.post(path.replace("acknowledge", "resolve")).status_code == 404
    assert client.post(path.replace(f"/{page.pk}.", f"/{page.pk + 1}.")).status_code == 404
    assert status_of(incident) == Status.TRIGGERED


def test_a_link_dies_seven_days_after_it_was_sent(
    client: Client, page: Notification, incident: Incident
) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=6, hours=23)):
        alive = client.get(path_of(page)).status_code
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        dead = client.post(path_of(page)).status_code

    assert (alive, dead) == (200, 410)
    assert status_of(incident) == Status.TRIGGERED


def test_a_link_dies_with_the_account(
    client: Client, page: Notification, incident: Incident, carol: User
) -> None:
    User.objects.filter(pk=carol.pk).update(status=User.Status.DISABLED)

    response = client.post(path_of(page))

    assert response.status_code == 410
    assert "Error rate" not in response.content.decode()
    assert status_of(incident) == Status.TRIGGERED


def test_a_link_dies_when_the_person_may_not_see_the_incident_any_more(
    client: Client, page: Notification, incident: Incident, carol: User
) -> None:
    make_private(incident)
    incident.participants.all().delete()
    carol.memberships.all().delete()

    response = client.get(path_of(page))

    assert response.status_code == 410
    assert "Error rate" not in response.content.decode()


def test_a_link_dies_with_the_removal_of_its_address(
    client: Client, incident: Incident, carol: User
) -> None:
    method: ContactMethod = ContactMethodFactory(user=carol, address="lost@example.com")
    page = NotificationFactory(
        incident=incident, user=carol, contact_method=method, address=method.address
    )
    alive = client.get(path_of(page)).status_code
    method.delete()

    assert (alive, client.post(path_of(page)).status_code) == (200, 410)


@pytest.mark.parametrize("change", ["address", "person"])
def test_a_link_dies_when_its_address_is_changed_or_given_to_another(
    client: Client, incident: Incident, carol: User, bob: User, change: str
) -> None:
    incident.participants.create(user=carol)
    method: ContactMethod = ContactMethodFactory(user=carol, address="lost@example.com")
    page = NotificationFactory(
        incident=incident, user=carol, contact_method=method, address=method.address
    )
    values = {"address": {"address": "new@example.com"}, "person": {"user": bob}}
    ContactMethod.objects.filter(pk=method.pk).update(**values[change])

    assert client.post(path_of(page)).status_code == 410
    assert status_of(incident) == Status.TRIGGERED


def test_a_link_dies_when_the_account_gets_another_address(
    client: Client, page: Notification, carol: User
) -> None:
    User.objects.filter(pk=carol.pk).update(email="carol@elsewhere.example.com")

    assert client.post(path_of(page)).status_code == 410


def test_links_of_the_sandbox_answer_nothing(
    client: Client, page: Notification, incident: Incident
) -> None:
    Notification.objects.filter(pk=page.pk).update(state=State.SANDBOXED)

    assert client.post(path_of(page)).status_code == 410
    assert status_of(incident) == Status.TRIGGERED


def test_what_was_done_meanwhile_is_shown_without_a_button(
    client: Client, page: Notification, incident: Incident
) -> None:
    resolve_incidents(incident_ids=[incident.pk], actor=None)

    html = client.get(path_of(page)).content.decode()

    assert "It is resolved already." in html
    assert "<form" not in html


def test_no_other_site_and_no_cache_hears_of_a_link(client: Client, page: Notification) -> None:
    response = client.get(path_of(page))

    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    assert "noindex" in response["X-Robots-Tag"]


def test_a_link_is_not_logged() -> None:
    record = logging.LogRecord("django", logging.WARNING, "", 1, "%s", ("/a/1.resolve.x/",), None)

    HideSecrets().filter(record)

    stream = io.StringIO(record.getMessage())
    assert stream.read() == "/a/•••/"


def test_one_link_is_pressed_so_many_times_a_minute_only(
    client: Client, page: Notification
) -> None:
    as_push = {"Accept": "application/json"}

    # Within one minute, and not the one in which another test has counted.
    with time_machine.travel(timezone.now() + timedelta(hours=1), tick=False):
        answers = [client.post(path_of(page)).status_code for _ in range(31)]
        pushed = client.post(path_of(page), headers=as_push)

    assert answers == [200] * 30 + [429]
    assert (pushed.status_code, pushed.json()["error"]["code"]) == (429, "too_many_requests")


def test_a_push_message_hears_in_json_why_its_link_is_dead(
    client: Client, page: Notification, carol: User
) -> None:
    User.objects.filter(pk=carol.pk).update(status=User.Status.DISABLED)

    response = client.post(path_of(page), headers={"Accept": "application/json"})

    assert response.status_code == 410
    assert response.json()["error"]["code"] == "link_unusable"


def test_the_same_page_always_has_the_same_links(incident: Incident, carol: User) -> None:
    NotificationFactory(incident=incident, user=carol)
    (page,) = claim_pages(channel="email", limit=1)

    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        later = answer_url(page, "resolve")

    assert answer_url(page, "resolve") == later
    assert later != answer_url(page, "acknowledge")


def test_the_page_of_a_destination_has_no_links(incident: Incident) -> None:
    place = DestinationFactory()
    NotificationFactory(
        incident=incident, user=None, destination=place, channel="webhook", address=place.address
    )
    (page,) = claim_pages(channel="webhook", limit=1)

    assert answer_url(page, "acknowledge") == ""
