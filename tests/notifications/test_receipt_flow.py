"""From a page by a mail service to its receipt, and on to the next way."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins import resend, sendgrid
from bench.stand_ins.server import Reply
from incidents.models import Incident, TimelineEntry
from notifications.models import ContactMethod, Notification, Provider
from notifications.services.delivery import deliver_due
from notifications.services.outbox import PageRequest, queue_pages
from opsknight.models import User
from tests.factories import ContactMethodFactory, NotificationRuleFactory
from tests.notifications.providers import Endpoint

pytestmark = pytest.mark.django_db
State = Notification.State


@pytest.fixture
def service(settings: Settings) -> Iterator[sendgrid.SendGrid]:
    """SendGrid, entered by an administrator."""
    stand_in = sendgrid.SendGrid()
    with stand_in.running():
        values = {"api_url": stand_in.url, "webhook_public_key": stand_in.public_key}
        Provider.objects.create(
            kind="sendgrid",
            name="Mail",
            settings=values,
            secrets=json.dumps({"api_key": sendgrid.API_KEY}),
        )
        yield stand_in


def page_person(incident: Incident, user: User) -> None:
    request = PageRequest(incident.pk, user.pk, Notification.Reason.ESCALATION, "step:0:0:0")
    with transaction.atomic():
        queue_pages(requests=[request], now=timezone.now())


def report(service: sendgrid.SendGrid, event: str, **values: Any) -> None:
    """What became of the only mail."""
    (mail,) = service.mails
    body, headers = service.signed([service.event(mail, event, **values)])
    answer = Client().post(
        "/api/providers/sendgrid/", body, content_type="application/json", headers=headers
    )
    assert answer.status_code == 204


def messages(incident: Incident) -> list[str]:
    return list(
        TimelineEntry.objects.filter(incident=incident, kind__startswith="page").values_list(
            "message", flat=True
        )
    )


def mail_of(user: User) -> ContactMethod:
    method = ContactMethodFactory(user=user, channel="email", address="bob@old.example.com")
    NotificationRuleFactory(contact_method=method)
    return method


def test_a_page_by_a_mail_service_is_delivered_when_the_service_says_so(
    service: sendgrid.SendGrid, incident: Incident, bob: User
):
    mail_of(bob)
    page_person(incident, bob)
    deliver_due(channel="email")
    page = Notification.objects.get(channel="email")
    assert page.state == State.SENT

    report(service, "delivered")

    page.refresh_from_db()
    assert page.state == State.DELIVERED


def test_a_page_that_bounces_goes_by_the_next_way_at_once_and_the_address_is_off(
    service: sendgrid.SendGrid, endpoint: Endpoint, incident: Incident, bob: User
):
    method = mail_of(bob)
    hook = ContactMethodFactory(user=bob, channel="webhook", address=endpoint.url)
    NotificationRuleFactory(contact_method=hook, delay_minutes=30)
    page_person(incident, bob)
    deliver_due(channel="email")

    report(service, "bounce", type="bounce", reason="550 5.1.1 no such user")
    deliver_due(channel="webhook")

    assert len(endpoint.requests) == 1
    assert messages(incident) == [
        "Page sent to Bob by e-mail",
        "Page to Bob by e-mail failed: The mail came back: 550 5.1.1 no such user. "
        "Trying by webhook now.",
        "Page sent to Bob by webhook",
    ]
    method.refresh_from_db()
    assert not method.enabled


def test_the_mail_service_is_passed_over_while_it_is_down_and_its_key_is_kept(
    service: sendgrid.SendGrid, settings: Settings, incident: Incident, bob: User
):
    other = resend.Resend()
    mail_of(bob)
    page_person(incident, bob)
    service.faults.append(Reply(503))

    with other.running():
        values = {"api_key": resend.API_KEY, "api_url": other.url}
        settings.PROVIDERS_FROM_ENV = {"resend": values}
        deliver_due(channel="email")

    page = Notification.objects.get(channel="email")
    assert (page.state, page.provider) == (State.SENT, "env:resend")
    assert page.provider_message_id in other.mails
    assert other.requests[0].headers["idempotency-key"] == str(page.idempotency_key)
