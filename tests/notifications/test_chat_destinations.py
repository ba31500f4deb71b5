"""Rooms in chats as destinations: made on the page, tried, paged, and switched off."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.chats import Discord, GoogleChat, Teams
from bench.stand_ins.server import StandIn
from incidents.models import Incident
from notifications.models import Destination, Notification, SandboxMessage
from notifications.models.preferences import clean_address
from notifications.services.delivery import deliver_due
from notifications.services.outbox import PageRequest, queue_pages
from opsknight.models import User
from tests.factories import DestinationFactory

pytestmark = pytest.mark.django_db
Room = tuple[str, StandIn, str]


@pytest.fixture(params=[Teams, GoogleChat, Discord])
def room(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Room]:
    """The kind of a chat, its stand-in, and the address that it gives out."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    stand_in: StandIn = request.param()
    kinds = {Teams: "teams", GoogleChat: "google_chat", Discord: "discord"}
    with stand_in.running():
        address = getattr(stand_in, "address", f"{stand_in.url}/workflow")
        yield kinds[request.param], stand_in, address


def page_to(place: Destination, incident: Incident) -> Notification:
    reason, now = Notification.Reason.ESCALATION, timezone.now() - timedelta(seconds=1)
    request = PageRequest(incident.pk, None, reason, "step:0:0:0", destination_id=place.pk)
    with transaction.atomic():
        queue_pages(requests=[request], now=now)
    deliver_due(channel=place.channel)
    return Notification.objects.get(destination=place)


@pytest.mark.django_db(transaction=True)
def test_a_room_is_made_on_the_page_and_tried(alice: User, client: Client, room: Room):
    kind, stand_in, address = room
    client.force_login(alice)
    form = {"name": "Checkout room", "team": "", "channel": kind, "address": address}

    client.post("/destinations/new/", form)
    place = Destination.objects.get(name="Checkout room")
    client.post(f"/destinations/{place.pk}/test/")
    deliver_due(channel=kind)

    assert "Test of Checkout room" in stand_in.requests[0].body.decode()
    assert place.notifications.get().state == "sent"


@pytest.mark.django_db(transaction=True)
def test_a_step_pages_a_room(incident: Incident, room: Room):
    kind, stand_in, address = room
    place = DestinationFactory(channel=kind, address=address)

    row = page_to(place, incident)

    assert row.state == "sent"
    assert "Error rate above 5 %" in stand_in.requests[0].body.decode()
    assert incident.timeline.filter(kind="paged").exists()


@pytest.mark.django_db(transaction=True)
def test_a_room_that_is_gone_is_switched_off_and_says_why(incident: Incident, room: Room):
    kind, stand_in, _ = room
    gone = {
        "teams": f"{stand_in.url}/workflow",
        "google_chat": f"{stand_in.url}/v1/spaces/GONE/messages?key=k&token=t",
        "discord": f"{stand_in.url}/api/webhooks/2/token",
    }
    if isinstance(stand_in, Teams):
        stand_in.is_switched_off = True
    place = DestinationFactory(channel=kind, address=gone[kind])

    row = page_to(place, incident)

    place.refresh_from_db()
    assert row.state == "failed"
    assert not place.enabled
    assert place.broken_reason


@pytest.mark.django_db(transaction=True)
def test_without_a_bot_messages_to_telegram_are_kept_in_the_sandbox(
    incident: Incident, settings: Settings
):
    settings.PROVIDERS_FROM_ENV = {}
    place = DestinationFactory(channel="telegram", address="-100777")

    row = page_to(place, incident)

    assert row.state == "sandboxed"
    assert "Error rate above 5 %" in SandboxMessage.objects.get().text


@pytest.mark.parametrize("address", ["4711", "-42", "-1001234567890", "@ops_alerts", " 4711 "])
def test_chats_in_telegram(address: str):
    assert clean_address("telegram", address) == address.strip()


@pytest.mark.parametrize("address", ["0", "04711", "@x", "ops alerts", "t.me/ops", "-", "9" * 25])
def test_what_is_no_chat_in_telegram_is_named(address: str):
    with pytest.raises(ValidationError) as caught:
        clean_address("telegram", address)

    assert "write /id there" in caught.value.message_dict["address"][0]


@pytest.mark.parametrize("channel", ["teams", "google_chat", "discord"])
def test_rooms_have_addresses_of_the_web(channel: str):
    with pytest.raises(ValidationError):
        clean_address(channel, "#incidents")
