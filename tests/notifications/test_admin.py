"""Administration of contact methods, rules and the outbox."""

import pytest
from django.urls import reverse
from django.utils import timezone

from incidents.models import Incident
from notifications.models import (
    ContactMethod,
    Destination,
    EventSubscription,
    Notification,
    NotificationRule,
    PagingPreferences,
)
from notifications.services.preferences import add_contact_method
from notifications.services.verification import enter_code
from opsknight.errors import InvalidInput
from opsknight.models import AuditEntry, User
from tests.factories import (
    ContactMethodFactory,
    DestinationFactory,
    NotificationFactory,
    NotificationRuleFactory,
    ServiceFactory,
    TeamFactory,
)
from tests.incidents.cast import browser

pytestmark = pytest.mark.django_db


def add_url(model: str) -> str:
    return reverse(f"admin:notifications_{model}_add")


@pytest.mark.parametrize(
    "model",
    [
        "contactmethod",
        "destination",
        "notificationrule",
        "notification",
        "pagingpreferences",
        "absence",
    ],
)
@pytest.mark.parametrize("query", ["", "?q=bob", "?q=12"])
def test_lists_open_and_search(alice: User, incident: Incident, model: str, query: str):
    NotificationRuleFactory()
    NotificationFactory(incident=incident)
    place = DestinationFactory(team=TeamFactory())
    NotificationFactory(incident=incident, user=None, destination=place, address=place.address)
    url = reverse(f"admin:notifications_{model}_changelist")

    assert browser(alice).get(url + query).status_code == 200


@pytest.mark.parametrize(
    "model",
    [
        "contactmethod",
        "destination",
        "notificationrule",
        "notification",
        "pagingpreferences",
        "absence",
    ],
)
def test_responders_do_not_administer(bob: User, model: str):
    answer = browser(bob).get(reverse(f"admin:notifications_{model}_changelist"))

    assert answer.status_code in (302, 403)


def test_a_webhook_made_here_gets_a_secret_that_is_not_shown(alice: User, bob: User):
    form = {
        "user": bob.pk,
        "channel": "webhook",
        "address": "https://example.com/",
        "enabled": "on",
    }

    browser(alice).post(add_url("contactmethod"), form)

    method = ContactMethod.objects.get(user=bob)
    page = browser(alice).get(reverse("admin:notifications_contactmethod_change", args=[method.pk]))
    assert method.secret
    assert method.secret not in page.content.decode()
    assert AuditEntry.objects.filter(action="contact_method.created").exists()


def test_a_destination_made_here_gets_a_secret_that_is_not_shown(alice: User):
    form = {
        "name": "Board",
        "channel": "webhook",
        "address": "https://example.com/",
        "enabled": "on",
    }

    browser(alice).post(add_url("destination"), form)

    place = Destination.objects.get()
    page = browser(alice).get(reverse("admin:notifications_destination_change", args=[place.pk]))
    assert place.secret
    assert place.secret not in page.content.decode()
    assert AuditEntry.objects.filter(action="destination.created").exists()


def test_an_address_is_checked_here_too(alice: User, bob: User):
    form = {"user": bob.pk, "channel": "webhook", "address": "nonsense", "enabled": "on"}

    answer = browser(alice).post(add_url("contactmethod"), form)

    assert answer.status_code == 200
    assert not ContactMethod.objects.exists()


def test_the_rules_person_is_the_addresss(alice: User, bob: User):
    method = ContactMethodFactory(user=bob)

    browser(alice).post(
        add_url("notificationrule"),
        {"contact_method": method.pk, "urgency": "high", "delay_minutes": 3},
    )

    assert NotificationRule.objects.get().user == bob


def test_the_outbox_is_only_looked_at_and_names_no_incident(alice: User, incident: Incident):
    page = NotificationFactory(incident=incident, last_error="Answered 503.")
    page.delivery_attempts.create(outcome="failed", detail="Answered 503.", at=timezone.now())
    client = browser(alice)

    url = reverse("admin:notifications_notification_change", args=[page.pk])
    text = client.get(url).content.decode()

    assert "Answered 503." in text
    assert incident.title not in text
    assert client.get(add_url("notification")).status_code == 403


def test_another_address_has_to_be_verified_anew(alice: User):
    method = ContactMethodFactory()
    url = reverse("admin:notifications_contactmethod_change", args=[method.pk])
    form = {"user": method.user_id, "channel": "email", "enabled": "on"}

    browser(alice).post(url, form | {"address": method.address, "label": "private"})
    method.refresh_from_db()
    was_usable = method.is_usable
    browser(alice).post(url, form | {"address": "other@home.example"})

    method.refresh_from_db()
    assert (was_usable, method.address, method.is_usable) == (True, "other@home.example", False)


def test_a_code_that_went_to_the_old_address_does_not_prove_the_new_one(alice: User):
    method = add_contact_method(
        user=alice, channel="sms", address="+436641234567", now=timezone.now()
    )
    code = Notification.objects.get(reason="verification").text[:6]
    url = reverse("admin:notifications_contactmethod_change", args=[method.pk])
    form = {"user": alice.pk, "channel": "sms", "enabled": "on", "address": "+436649999999"}

    browser(alice).post(url, form)
    with pytest.raises(InvalidInput):
        enter_code(user=alice, pk=method.pk, code=code, now=timezone.now())

    method.refresh_from_db()
    assert (method.address, method.is_verified) == ("+436649999999", False)


def test_nobody_reads_here_what_the_digests_of_others_name(alice: User, bob: User):
    row = NotificationFactory(
        incident=None, user=bob, reason="digest", subject="1 incident", text="#7 Merger leaked"
    )

    page = browser(alice).get(reverse("admin:notifications_notification_change", args=[row.pk]))

    assert page.status_code == 200
    assert "Merger leaked" not in page.content.decode()


def test_nobody_reads_the_codes_of_others_here(alice: User, bob: User):
    add_contact_method(user=bob, channel="sms", address="+436641234567", now=timezone.now())
    row = Notification.objects.get(reason="verification")

    page = browser(alice).get(reverse("admin:notifications_notification_change", args=[row.pk]))

    assert row.text[:6] not in page.content.decode()


def test_quiet_hours_that_cannot_be_read_are_refused(alice: User, bob: User):
    form = {"user": bob.pk, "quiet_up_to": "", "digest": "", "quiet_weekdays": "[7]"}

    answer = browser(alice).post(add_url("pagingpreferences"), form)

    assert answer.status_code == 200
    assert not PagingPreferences.objects.exists()


def test_administrators_let_destinations_follow_here(alice: User):
    place = DestinationFactory(channel="webhook", address="https://example.com/")
    service = ServiceFactory()
    form = {"destination": place.pk, "service": service.pk, "enabled": "on"}
    events = {"events": ["incident.resolved", "incident.triggered"], "template": '{"a": 1}'}
    page = browser(alice)

    neither = page.post(add_url("eventsubscription"), form | {"service": ""})
    broken = page.post(add_url("eventsubscription"), form | {"template": "{{ nothing"})
    page.post(add_url("eventsubscription"), form | events)
    made = EventSubscription.objects.get()
    change = reverse("admin:notifications_eventsubscription_change", args=[made.pk])
    page.post(change, {"events": ["incident.note"], "template": ""})

    assert "Choose a service or a team" in neither.content.decode()
    assert broken.status_code == 200
    changed = EventSubscription.objects.get()
    assert (made.events, made.template) == (["incident.triggered", "incident.resolved"], '{"a": 1}')
    assert (changed.pk, changed.events, changed.enabled) == (made.pk, ["incident.note"], False)
    assert place.secret not in page.get(change).content.decode()
    listed = page.get(reverse("admin:notifications_eventsubscription_changelist"))
    assert place.name in listed.content.decode()
    page.post(reverse("admin:notifications_eventsubscription_delete", args=[made.pk]), {"post": 1})
    actions = AuditEntry.objects.filter(action__startswith="event_subscription.")
    assert sorted(actions.values_list("action", flat=True)) == [
        "event_subscription.created",
        "event_subscription.deleted",
        "event_subscription.updated",
    ]
