"""Telegram on the wire: what the bot says, and what refusals mean."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from bench.stand_ins.server import Reply, json_reply
from bench.stand_ins.telegram import TOKEN, Telegram
from notifications.channels import CHANNELS
from notifications.channels.base import CardChannel, DeliveryError, Notice, Page, Posted
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig, Sent
from tests.notifications.sending import carry, notice_of, page_of, several

CHAT = "4711"


@pytest.fixture(autouse=True)
def here(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://ops.example.com"


@pytest.fixture
def telegram() -> Iterator[Telegram]:
    stand_in = Telegram()
    stand_in.chats.add(CHAT)
    with stand_in.running():
        yield stand_in


def config_of(telegram: Telegram, token: str = TOKEN) -> ProviderConfig:
    values = {"bot_token": token, "api_url": telegram.url}
    return ProviderConfig("1", "telegram", "Telegram", values)


def send(telegram: Telegram, *pages: Page, token: str = TOKEN) -> Sent:
    return carry("telegram", *pages, values=config_of(telegram, token).values)


def page(**changes: Any) -> Page:
    return page_of("telegram", changes.pop("address", CHAT), **changes)


def shown(telegram: Telegram) -> dict[str, Any]:
    return list(telegram.messages.values())[-1]


def buttons(telegram: Telegram) -> list[list[str]]:
    rows = shown(telegram)["reply_markup"]["inline_keyboard"]
    return [[button["text"] for button in row] for row in rows]


def failure(telegram: Telegram, **changes: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        send(telegram, page(**changes))
    return caught.value


def test_the_bot_says_what_happened_and_offers_to_answer(telegram: Telegram):
    sent = send(telegram, page())

    text = shown(telegram)["text"]
    assert text.startswith("<b>#12 Error rate above 5 %</b>\n\ncheckout-5xx")
    assert "Service: Checkout" in text
    assert buttons(telegram) == [["Acknowledge", "Resolve"], ["Open the incident"]]
    assert sent.message_id == "4711/1"
    assert sent.posted == Posted("1", "4711", "1")


def test_a_title_in_telegram_is_not_html(telegram: Telegram):
    send(telegram, page(title="<script>&", description="1 < 2"))

    assert "&lt;script&gt;&amp;" in shown(telegram)["text"]


def test_the_longest_page_fits_into_a_message(telegram: Telegram):
    send(telegram, page(title="&" * 5000, description="<" * 30_000))

    assert len(telegram.messages) == 1


@pytest.mark.parametrize(
    ("status", "rows"),
    [
        ("triggered", [["Acknowledge", "Resolve"], ["Open the incident"]]),
        ("acknowledged", [["Resolve"], ["Open the incident"]]),
        ("resolved", [["Open the incident"]]),
    ],
)
def test_telegram_offers_only_what_can_be_done(
    telegram: Telegram, status: str, rows: list[list[str]]
):
    send(telegram, page(status=status))

    assert buttons(telegram) == rows


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.1:8000", "http://ops"])
def test_an_address_that_telegram_refuses_is_no_button_but_text(
    telegram: Telegram, settings: Settings, url: str
):
    settings.PUBLIC_URL = url

    send(telegram, page())

    assert buttons(telegram) == [["Acknowledge", "Resolve"]]
    assert f"{url}/incidents/12/" in shown(telegram)["text"]


def test_several_incidents_are_answered_by_one_press(telegram: Telegram):
    send(telegram, *several(page(), 6))

    assert shown(telegram)["text"].startswith("<b>6 open on Checkout</b>")
    assert buttons(telegram)[0] == ["Acknowledge all", "Resolve all"]


def test_more_incidents_than_fit_into_a_press_have_no_button(telegram: Telegram):
    send(telegram, *several(page(), 40))

    assert buttons(telegram) == [["Open the incidents"]]


def test_a_notice_is_told_by_the_bot(telegram: Telegram):
    notice = Notice("You are on call", "Until Monday.", "/on-call/me/", {})

    send(telegram, notice_of("telegram", CHAT, notice, reason="on_call"))

    assert shown(telegram)["text"] == "<b>You are on call</b>\n\nUntil Monday."
    assert buttons(telegram) == [["Open OpsKnight"]]


def test_news_ask_nobody_to_answer(telegram: Telegram):
    send(telegram, page(status="acknowledged", reason="status"))

    assert buttons(telegram) == [["Open the incident"]]


def test_a_later_message_answers_the_first_one(telegram: Telegram):
    posted = send(telegram, page()).posted

    send(telegram, page(posted=posted))

    assert shown(telegram)["reply_parameters"]["message_id"] == 1


def test_a_message_is_edited_when_its_incident_moves_on(telegram: Telegram):
    posted = send(telegram, page()).posted
    assert posted is not None
    channel, moved = CHANNELS["telegram"], page(status="acknowledged").incident
    assert isinstance(channel, CardChannel)
    assert moved is not None
    message = channel.render_card(
        moved, address=CHAT, shown="acknowledged", said="Acknowledged by Bob"
    )

    PROVIDERS["telegram"].edit(message, config=config_of(telegram), posted=posted)

    assert "Acknowledged by Bob" in shown(telegram)["text"]
    assert "Status: Acknowledged" in shown(telegram)["text"]
    assert buttons(telegram)[0] == ["Resolve"]


def test_an_edit_that_changes_nothing_or_comes_too_late_is_harmless(telegram: Telegram):
    posted = send(telegram, page()).posted
    assert posted is not None
    message = CHANNELS["telegram"].render([page()])

    PROVIDERS["telegram"].edit(message, config=config_of(telegram), posted=posted)
    gone = replace(posted, message_id="99")
    PROVIDERS["telegram"].edit(message, config=config_of(telegram), posted=gone)

    assert len(telegram.messages) == 1


def test_a_group_that_moved_is_followed(telegram: Telegram):
    telegram.chats.add("-100777")
    telegram.moved["-42"] = "-100777"

    sent = send(telegram, page(address="-42"))

    assert sent.posted is not None
    assert sent.posted.place == "-100777"


def test_a_group_that_moves_in_circles_is_given_up(telegram: Telegram):
    telegram.moved = {"-42": "-43", "-43": "-42"}

    assert str(failure(telegram, address="-42")) == "The group moved again and again."


def test_somebody_who_blocked_the_bot_is_not_written_to_again(telegram: Telegram):
    telegram.blocked.add(CHAT)

    error = failure(telegram)

    assert error.breaks_address
    assert str(error) == "Telegram: Forbidden: bot was blocked by the user"


def test_a_chat_that_does_not_exist_breaks_its_address(telegram: Telegram):
    assert failure(telegram, address="12345").breaks_address


def test_a_token_that_was_revoked_is_the_bots_fault(telegram: Telegram):
    with pytest.raises(DeliveryError) as caught:
        send(telegram, page(), token="1:stale")

    assert caught.value.provider_is_down
    assert not caught.value.permanent
    assert "stale" not in str(caught.value)


def test_a_success_that_means_nothing_may_hide_a_message(telegram: Telegram):
    telegram.faults.append(Reply(200, b"<html>Welcome</html>"))

    error = failure(telegram)

    assert (error.may_have_arrived, error.permanent) == (True, False)


def test_telegram_says_how_long_to_wait(telegram: Telegram):
    body = {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 8"}
    telegram.faults.append(json_reply(body | {"parameters": {"retry_after": 8}}, 429))

    error = failure(telegram)

    assert error.retry_after == timedelta(seconds=8)
    assert not error.permanent


def test_a_limit_without_a_time_is_waited_for_as_usual(telegram: Telegram):
    telegram.faults.append(Reply(429))

    error = failure(telegram)

    assert error.retry_after is None
    assert not error.permanent


@pytest.mark.parametrize(
    "reply",
    [
        json_reply({"ok": False, "description": "Internal Server Error"}),  # a lying 200
        Reply(200, b"<html>"),
        Reply(502, b"Bad Gateway"),
    ],
)
def test_a_telegram_that_is_out_of_order_is_tried_again(telegram: Telegram, reply: Reply):
    telegram.faults.append(reply)

    error = failure(telegram)

    assert error.provider_is_down
    assert not error.permanent


@pytest.mark.parametrize(
    "reply",
    [
        Reply(is_silent=True),
        Reply(200, b'{"ok": true, "result": {}}', cut_after=5),
        Reply(200, b" " * 10_000_000),
        json_reply({"ok": True, "result": {}}),
        json_reply({"ok": True, "result": None}),
    ],
)
def test_an_answer_that_says_nothing_leaves_open_whether_it_arrived(
    telegram: Telegram, reply: Reply
):
    telegram.faults.append(reply)

    assert failure(telegram).may_have_arrived


@pytest.mark.parametrize("address", ["", "0", "4711; drop", "@a", "+4711", "https://t.me/x"])
def test_an_address_that_is_no_chat_is_refused_for_good(telegram: Telegram, address: str):
    assert failure(telegram, address=address).breaks_address
    assert telegram.requests == []
