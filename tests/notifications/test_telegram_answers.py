"""Answers from Telegram: linking, buttons, words, groups, and whom the webhook believes."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins.telegram import TOKEN, Telegram
from incidents.models import Incident
from notifications.models import ChatAccount, ContactMethod, Notification, PostedMessage
from notifications.services.delivery import deliver_due
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.post_edits import edit_posts
from notifications.services.provider_trials import find_config, try_account
from notifications.services.telegram_accounts import offer_telegram_link
from opsknight.models import User
from tests.factories import DestinationFactory, IncidentFactory

pytestmark = pytest.mark.django_db
SECRET = "hush-hush"
PHONE, OTHER_PHONE, GROUP = 4711, 815, -100777


@pytest.fixture(autouse=True)
def telegram(settings: Settings) -> Iterator[Telegram]:
    stand_in = Telegram()
    with stand_in.running():
        settings.PUBLIC_URL = "https://ops.example.com"
        settings.PROVIDERS_FROM_ENV = {
            "telegram": {
                "bot_token": TOKEN,
                "bot_name": "opsknight_bot",
                "webhook_secret": SECRET,
                "api_url": stand_in.url,
            }
        }
        yield stand_in


def tell(update: Any, secret: str = SECRET) -> Any:
    """As Telegram does; returns the call that was answered with, or nothing."""
    response = Client().post(
        "/api/providers/telegram/",
        json.dumps(update),
        content_type="application/json",
        headers={"X-Telegram-Bot-Api-Secret-Token": secret},
    )
    assert response.status_code == 200
    return response.json() if response.content else {}


def link(user: User, telegram: Telegram, phone: int = PHONE) -> str:
    code = offer_telegram_link(user=user).code
    said = tell(telegram.write(f"/start {code}", sender=phone))
    return str(said["text"])


def page(user: User, incident: Incident, telegram: Telegram) -> int:
    """Page somebody by Telegram; returns the number of the message."""
    now = timezone.now() - timedelta(seconds=1)
    request = PageRequest(incident.pk, user.pk, Notification.Reason.ESCALATION, "step:0:0:0")
    with transaction.atomic():
        queue_pages(requests=[request], now=now)
    deliver_due(channel="telegram")
    return len(telegram.messages)


def page_group(incident: Incident, telegram: Telegram) -> int:
    telegram.chats.add(str(GROUP))
    place = DestinationFactory(channel="telegram", address=str(GROUP))
    now = timezone.now() - timedelta(seconds=1)
    reason = Notification.Reason.ESCALATION
    request = PageRequest(incident.pk, None, reason, "step:0:0:0", destination_id=place.pk)
    with transaction.atomic():
        queue_pages(requests=[request], now=now)
    deliver_due(channel="telegram")
    return len(telegram.messages)


# Linking


def test_a_code_links_whoever_writes_it_to_the_bot(bob: User, telegram: Telegram):
    said = link(bob, telegram)

    (method,) = ContactMethod.objects.filter(user=bob, channel="telegram")
    assert said.startswith("You are Bob in OpsKnight.")
    assert method.address == str(PHONE)
    assert method.is_usable
    assert method.rules.count() == 2
    assert ChatAccount.objects.get(channel="telegram").user == bob


def test_the_settings_lead_to_the_bot_at_one_press(bob: User, client: Client):
    client.force_login(bob)

    page = client.post("/settings/telegram/link/").content.decode()

    assert "https://t.me/opsknight_bot?start=" in page


def test_a_code_works_once(bob: User, telegram: Telegram):
    code = offer_telegram_link(user=bob).code
    tell(telegram.write(f"/start {code}", sender=PHONE))

    said = tell(telegram.write(f"/start {code}", sender=OTHER_PHONE))

    assert "too old or was used" in said["text"]
    assert ChatAccount.objects.get().member == str(PHONE)


def test_a_code_that_nobody_was_shown_links_nobody(telegram: Telegram):
    said = tell(telegram.write("/start made-up", sender=PHONE))

    assert "too old or was used" in said["text"]
    assert not ChatAccount.objects.exists()


def test_the_code_of_somebody_who_was_switched_off_links_nobody(bob: User, telegram: Telegram):
    code = offer_telegram_link(user=bob).code
    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    tell(telegram.write(f"/start {code}", sender=PHONE))

    assert not ChatAccount.objects.exists()


def test_a_telephone_that_changes_hands_acts_as_its_new_owner(
    bob: User, carol: User, telegram: Telegram
):
    link(bob, telegram)

    link(carol, telegram)

    assert ChatAccount.objects.get().user == carol
    assert not ContactMethod.objects.filter(user=bob, channel="telegram").exists()


def test_an_empty_redis_only_asks_for_another_code(bob: User, telegram: Telegram):
    code = offer_telegram_link(user=bob).code
    cache.clear()

    said = tell(telegram.write(f"/start {code}", sender=PHONE))

    assert "Ask for a new one" in said["text"]


def test_unlinking_ends_pages_and_answers(
    bob: User, telegram: Telegram, client: Client, incident: Incident
):
    link(bob, telegram)
    client.force_login(bob)

    client.post(f"/settings/telegram/{ChatAccount.objects.get().pk}/unlink/")

    assert not ChatAccount.objects.exists()
    assert not ContactMethod.objects.filter(channel="telegram").exists()


def test_nobody_unlinks_the_account_of_another(
    bob: User, eve: User, telegram: Telegram, client: Client
):
    link(bob, telegram)
    client.force_login(eve)

    response = client.post(f"/settings/telegram/{ChatAccount.objects.get().pk}/unlink/")

    assert response.status_code == 404
    assert ChatAccount.objects.exists()


def test_without_a_bot_there_is_nothing_to_link(bob: User, client: Client, settings: Settings):
    settings.PROVIDERS_FROM_ENV = {}
    client.force_login(bob)

    response = client.post("/settings/telegram/link/")

    assert response.status_code == 302


# Buttons


@pytest.mark.django_db(transaction=True)
def test_a_press_acknowledges_in_the_name_of_the_person(
    bob: User, incident: Incident, telegram: Telegram
):
    link(bob, telegram)
    number = page(bob, incident, telegram)

    said = tell(telegram.press("Acknowledge", sender=PHONE, chat=PHONE, number=number))

    incident.refresh_from_db()
    assert incident.acknowledged_by == bob
    assert incident.timeline.filter(message="Acknowledged by Bob by Telegram").exists()
    assert (said["method"], said["text"]) == ("answerCallbackQuery", "Acknowledged.")


@pytest.mark.django_db(transaction=True)
def test_the_message_shows_who_took_it_and_loses_its_button(
    bob: User, incident: Incident, telegram: Telegram
):
    link(bob, telegram)
    number = page(bob, incident, telegram)
    tell(telegram.press("Acknowledge", sender=PHONE, chat=PHONE, number=number))

    edit_posts(now=timezone.now())

    shown = telegram.messages[str(PHONE), number]
    labels = [button["text"] for row in shown["reply_markup"]["inline_keyboard"] for button in row]
    assert "Acknowledged by Bob by Telegram" in shown["text"]
    assert labels == ["Resolve", "Open the incident"]
    assert PostedMessage.objects.get().shown == "acknowledged"


@pytest.mark.django_db(transaction=True)
def test_pressing_twice_says_who_was_first(
    bob: User, carol: User, incident: Incident, telegram: Telegram
):
    link(bob, telegram)
    link(carol, telegram, OTHER_PHONE)
    number = page_group(incident, telegram)
    press = telegram.press("Acknowledge", sender=OTHER_PHONE, chat=GROUP, number=number)
    tell(press)

    said = tell(telegram.press("Acknowledge", sender=PHONE, chat=GROUP, number=number))

    assert "already acknowledged by Carol" in said["text"]
    assert incident.timeline.filter(kind="acknowledged").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_press_resolves(bob: User, incident: Incident, telegram: Telegram):
    link(bob, telegram)
    number = page(bob, incident, telegram)

    said = tell(telegram.press("Resolve", sender=PHONE, chat=PHONE, number=number))

    incident.refresh_from_db()
    assert incident.status == "resolved"
    assert said["text"] == "Resolved."


@pytest.mark.django_db(transaction=True)
def test_whoever_is_not_linked_is_told_how_and_changes_nothing(
    incident: Incident, telegram: Telegram
):
    number = page_group(incident, telegram)

    said = tell(telegram.press("Acknowledge", sender=PHONE, chat=GROUP, number=number))

    incident.refresh_from_db()
    assert incident.status == "triggered"
    assert "Link Telegram" in said["text"]
    assert said["show_alert"]


@pytest.mark.django_db(transaction=True)
def test_an_outsider_changes_nothing_by_a_press(eve: User, telegram: Telegram):
    private = IncidentFactory(visibility="private")
    link(eve, telegram)
    number = page_group(private, telegram)

    tell(telegram.press("Resolve", sender=PHONE, chat=GROUP, number=number))

    private.refresh_from_db()
    assert private.status == "triggered"


def press_with(data: str) -> dict[str, Any]:
    sender = {"id": PHONE, "first_name": "Bob"}
    return {"callback_query": {"id": "1", "from": sender, "data": data}}


@pytest.mark.parametrize(
    "data",
    ["", "acknowledge", "acknowledge:", "acknowledge:x", "drop:1", "resolve:1,", "resolve:-1"],
)
def test_a_button_that_is_none_of_ours_does_nothing(bob: User, telegram: Telegram, data: str):
    link(bob, telegram)

    assert tell(press_with(data))["text"] == "This button is too old."


def test_one_press_answers_several_incidents(bob: User, telegram: Telegram):
    link(bob, telegram)
    first, second = IncidentFactory(), IncidentFactory(status="acknowledged")

    said = tell(press_with(f"acknowledge:{first.pk},{second.pk}"))

    first.refresh_from_db()
    assert first.acknowledged_by == bob
    assert said["text"].startswith("1 of 2 acknowledged.\n")


def test_an_incident_that_is_gone_is_told_so(bob: User, telegram: Telegram):
    link(bob, telegram)

    assert tell(press_with("resolve:999999"))["text"]


# Words


@pytest.mark.django_db(transaction=True)
def test_words_answer_as_in_an_sms(bob: User, incident: Incident, telegram: Telegram):
    link(bob, telegram)
    page(bob, incident, telegram)

    said = tell(telegram.write(f"ack #{incident.pk}", sender=PHONE))

    incident.refresh_from_db()
    assert incident.acknowledged_by == bob
    assert "acknowledged" in said["text"]


def test_stop_ends_pages_and_start_lets_them_come_again(bob: User, telegram: Telegram):
    link(bob, telegram)
    method = ContactMethod.objects.get(channel="telegram")

    stopped = tell(telegram.write("/stop", sender=PHONE))
    method.refresh_from_db()
    was_usable = method.is_usable
    started = tell(telegram.write("/start", sender=PHONE))
    method.refresh_from_db()

    assert "No pages come here any more" in stopped["text"]
    assert not was_usable
    assert "again" in started["text"]
    assert method.is_usable


def test_linking_again_after_stop_lets_pages_come_again(bob: User, telegram: Telegram):
    link(bob, telegram)
    tell(telegram.write("stop", sender=PHONE))

    link(bob, telegram)

    assert ContactMethod.objects.get(channel="telegram").is_usable


def test_idle_talk_is_answered_by_what_can_be_done(bob: User, telegram: Telegram):
    link(bob, telegram)

    assert "Press the buttons" in tell(telegram.write("How are you?", sender=PHONE))["text"]


def test_a_stranger_is_told_how_to_link(telegram: Telegram):
    assert "Link Telegram" in tell(telegram.write("/start", sender=PHONE))["text"]


def test_a_group_is_told_its_number_and_nothing_else(telegram: Telegram):
    number = tell(telegram.write("/id@opsknight_bot", sender=PHONE, chat=GROUP))
    talk = tell(telegram.write("Lunch?", sender=PHONE, chat=GROUP))

    assert str(GROUP) in number["text"]
    assert talk == {}


def test_a_code_in_a_group_links_nobody(bob: User, telegram: Telegram):
    code = offer_telegram_link(user=bob).code

    tell(telegram.write(f"/start {code}", sender=OTHER_PHONE, chat=GROUP))

    assert not ChatAccount.objects.exists()


def test_a_bot_that_was_blocked_is_known_before_the_next_page(bob: User, telegram: Telegram):
    link(bob, telegram)

    tell(telegram.leave(sender=PHONE))

    method = ContactMethod.objects.get(channel="telegram")
    assert not method.enabled
    assert "blocked" in method.broken_reason


# Whom the webhook believes


@pytest.mark.parametrize("secret", ["", "wrong", "hush-hush ", "hüsh"])
def test_without_the_secret_nothing_happens(bob: User, telegram: Telegram, secret: str):
    code = offer_telegram_link(user=bob).code
    update = telegram.write(f"/start {code}", sender=PHONE)

    response = Client().post(
        "/api/providers/telegram/",
        json.dumps(update),
        content_type="application/json",
        headers={"X-Telegram-Bot-Api-Secret-Token": secret},
    )

    assert response.status_code == 403
    assert not ChatAccount.objects.exists()


def test_a_bot_without_a_secret_is_never_believed(telegram: Telegram, settings: Settings):
    settings.PROVIDERS_FROM_ENV = {"telegram": {"bot_token": TOKEN}}

    response = Client().post(
        "/api/providers/telegram/",
        "{}",
        content_type="application/json",
        headers={"X-Telegram-Bot-Api-Secret-Token": ""},
    )

    assert response.status_code == 403


@pytest.mark.parametrize(
    "update",
    [
        None,
        [],
        "text",
        {},
        {"message": {}},
        {"message": {"chat": {"id": 1, "type": "private"}, "message_id": 1, "text": "x"}},
        {"message": {"chat": {"id": "1", "type": "group"}, "text": "/id"}},
        {"message": {"chat": {"id": 2**70, "type": "group"}, "text": "/id"}},
        {"callback_query": {"id": "1"}},
        {"callback_query": "x"},
        {"my_chat_member": {"chat": {"type": "private"}}},
        {"edited_message": {"text": "x"}},
    ],
)
def test_updates_that_make_no_sense_are_taken_and_change_nothing(update: Any):
    tell(update)

    assert not ChatAccount.objects.exists()


def test_a_body_that_is_too_large_is_refused():
    response = Client().post(
        "/api/providers/telegram/",
        "x" * 300_000,
        content_type="application/json",
        headers={"X-Telegram-Bot-Api-Secret-Token": SECRET},
    )

    assert response.status_code == 413


# Setting up


def test_an_administrator_tries_the_bot(alice: User, telegram: Telegram):
    telegram.chats.add(str(GROUP))
    bot = find_config("env:telegram")

    answer = try_account(config=bot, channel="telegram", address=str(GROUP), actor=alice)

    assert answer.was_taken
    assert "Alice tries whether Telegram works" in telegram.messages[str(GROUP), 1]["text"]


def test_an_administrator_is_told_what_telegram_refuses(alice: User, telegram: Telegram):
    bot = find_config("env:telegram")

    answer = try_account(config=bot, channel="telegram", address="12345", actor=alice)

    assert not answer.was_taken
    assert answer.text == "Telegram: Bad Request: chat not found"


def test_the_command_tells_telegram_where_updates_go(telegram: Telegram):
    call_command("connect_telegram")

    assert telegram.webhook == {
        "url": "https://ops.example.com/api/providers/telegram/",
        "secret_token": SECRET,
        "allowed_updates": ["message", "callback_query", "my_chat_member"],
    }


def test_the_command_says_what_telegram_refused(telegram: Telegram, settings: Settings):
    settings.PROVIDERS_FROM_ENV["telegram"]["bot_token"] = "1:stale"

    with pytest.raises(CommandError, match="Check the bot's token"):
        call_command("connect_telegram")


def test_the_command_needs_a_bot_with_a_secret(settings: Settings):
    settings.PROVIDERS_FROM_ENV = {}

    with pytest.raises(CommandError, match="no Telegram bot"):
        call_command("connect_telegram")
