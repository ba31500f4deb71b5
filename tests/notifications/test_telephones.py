"""SMS, calls and WhatsApp through Twilio, and what Twilio tells us."""

import pytest
from django.utils import timezone

from bench.stand_ins.twilio import Twilio
from incidents.models import Incident, TimelineEntry
from notifications.models import ContactMethod, Notification
from notifications.services.delivery import deliver_due
from opsknight.models import User
from tests.factories import ContactMethodFactory, NotificationFactory, NotificationRuleFactory
from tests.notifications.telephones import NUMBER, SENDER

pytestmark = pytest.mark.django_db
State = Notification.State


def messages(incident: Incident) -> list[str]:
    return list(TimelineEntry.objects.filter(incident=incident).values_list("message", flat=True))


def phone_of(user: User, channel: str, address: str = NUMBER, delay: int = 0) -> ContactMethod:
    method = ContactMethodFactory(
        user=user, channel=channel, address=address, verified_at=timezone.now()
    )
    NotificationRuleFactory(contact_method=method, delay_minutes=delay)
    return method


def page_by(channel: str, incident: Incident, user: User, **values: object) -> Notification:
    """A page that is due, to a telephone of the person."""
    method = ContactMethod.objects.filter(user=user, channel=channel).first()
    method = method or phone_of(user, channel)
    return NotificationFactory(
        incident=incident,
        user=user,
        channel=channel,
        address=method.address,
        contact_method=method,
        **values,
    )


def test_an_sms_names_the_incident_and_links_to_it(twilio: Twilio, incident: Incident, bob: User):
    page = page_by("sms", incident, bob)

    deliver_due(channel="sms")

    page.refresh_from_db()
    sms = twilio.messages[0]
    assert (page.state, page.provider_message_id) == (State.SENT, sms.sid)
    assert (sms.to, sms.sender) == (NUMBER, SENDER)
    assert sms.body.startswith(f"OpsKnight #{incident.pk} High, Checkout: Error rate above 5 %\n")
    assert f"/incidents/{incident.pk}/" in sms.body
    assert messages(incident) == ["Page sent to Bob by SMS"]
