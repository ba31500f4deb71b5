"""Microsoft Teams, Google Chat and Discord: cards on the wire, and what refusals mean."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from bench.stand_ins.chats import Discord, GoogleChat, Teams, rate_limited
from bench.stand_ins.server import Reply, StandIn, json_reply
from notifications.channels import CHANNELS
from notifications.channels.base import DeliveryError, Event, Notice, Page
from notifications.models import Notification
from tests.notifications.sending import carry, notice_of, page_to_place, several

NASTY = "<b>*[click](https://evil.example)* @everyone"


@pytest.fixture(autouse=True)
def here(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    settings.PUBLIC_URL = "https://ops.example.com"


@pytest.fixture
def teams() -> Iterator[Teams]:
    stand_in = Teams()
    with stand_in.running():
        yield stand_in


@pytest.fixture
def google_chat() -> Iterator[GoogleChat]:
    stand_in = GoogleChat()
    with stand_in.running():
        yield stand_in


@pytest.fixture
def discord() -> Iterator[Discord]:
    stand_in = Discord()
    with stand_in.running():
        yield stand_in


def shown_in_google_chat(chat: GoogleChat) -> dict[str, Any]:
    body: dict[str, Any] = list(chat.messages.values())[-1]["body"]
    return body


# Microsoft Teams


def test_teams_gets_a_card_with_title_facts_and_a_link(teams: Teams):
    carry("teams", page_to_place("teams", f"{teams.url}/workflow"))

    (card,) = teams.cards
    title, text, facts = card["body"]
    assert title["inlines"][0]["text"] == "#12 Error rate above 5 %"
    assert title["inlines"][0]["color"] == "Attention"
    assert text["inlines"][0]["text"] == "checkout-5xx"
    assert {fact["title"]: fact["value"] for fact in facts["facts"]} == {
        "Service": "Checkout",
        "Urgency": "High",
        "Status": "Triggered",
    }
    assert card["actions"][0]["url"] == "https://ops.example.com/incidents/12/"


def test_a_title_in_teams_is_never_markdown(teams: Teams):
    carry("teams", page_to_place("teams", f"{teams.url}/workflow", title=NASTY))

    title = teams.cards[0]["body"][0]
    assert title["type"] == "RichTextBlock"
    assert title["inlines"][0]["text"] == f"#12 {NASTY}"


def test_a_connector_of_teams_that_says_200_to_a_failure_is_not_believed(teams: Teams):
    teams.MAX_BYTES = 10

    with pytest.raises(DeliveryError) as caught:
        carry("teams", page_to_place("teams", f"{teams.url}/connector"))

    assert str(caught.value) == "Answered 413."
    assert caught.value.permanent
    assert not caught.value.breaks_address


def test_a_connector_of_teams_that_is_throttled_behind_a_200_is_tried_again(teams: Teams):
    text = b"Webhook message delivery failed with error: endpoint returned HTTP error 429 with"
    teams.faults.append(Reply(200, text))

    with pytest.raises(DeliveryError) as caught:
        carry("teams", page_to_place("teams", f"{teams.url}/connector"))

    assert not caught.value.permanent


def test_a_connector_of_teams_that_took_the_message_is_believed(teams: Teams):
    sent = carry("teams", page_to_place("teams", f"{teams.url}/connector"))

    assert sent.state == Notification.State.SENT


def test_a_workflow_that_was_switched_off_breaks_its_address(teams: Teams):
    teams.is_switched_off = True

    with pytest.raises(DeliveryError) as caught:
        carry("teams", page_to_place("teams", f"{teams.url}/workflow"))

    assert str(caught.value) == "The workflow is switched off in Teams."
    assert caught.value.breaks_address


def test_the_longest_incident_fits_into_a_card_of_teams(teams: Teams):
    page = page_to_place(
        "teams", f"{teams.url}/workflow", title="🔥" * 500, description="ß" * 30_000
    )

    carry("teams", page)

    assert len(teams.requests[0].body) < Teams.MAX_BYTES


# Google Chat


def test_google_chat_gets_a_card_with_title_facts_and_a_link(google_chat: GoogleChat):
    sent = carry("google_chat", page_to_place("google_chat", google_chat.address))

    body = shown_in_google_chat(google_chat)
    card = body["cardsV2"][0]["card"]
    widgets = card["sections"][0]["widgets"]
    assert card["header"]["title"] == "#12 Error rate above 5 %"
    assert widgets[1]["decoratedText"] == {"topLabel": "Service", "text": "Checkout"}
    assert "#d32f2f" in widgets[3]["decoratedText"]["text"]
    button = widgets[4]["buttonList"]["buttons"][0]
    assert button["onClick"]["openLink"]["url"] == "https://ops.example.com/incidents/12/"
    assert sent.message_id == "spaces/AAAA/messages/1"


def test_texts_in_google_chat_are_not_html(google_chat: GoogleChat):
    page = page_to_place("google_chat", google_chat.address, description="<font>a</font>\nb")

    carry("google_chat", page)

    widgets = shown_in_google_chat(google_chat)["cardsV2"][0]["card"]["sections"][0]["widgets"]
    assert widgets[0]["textParagraph"]["text"] == "&lt;font&gt;a&lt;/font&gt;<br>b"


def test_messages_about_one_incident_share_a_thread_in_google_chat(google_chat: GoogleChat):
    page = page_to_place("google_chat", google_chat.address)

    carry("google_chat", page)
    carry("google_chat", replace(page, idempotency_key=page.idempotency_key.__class__(int=7)))

    first, second = google_chat.messages.values()
    assert first["thread"] == second["thread"]


def test_a_repetition_makes_no_second_message_in_google_chat(google_chat: GoogleChat):
    page = page_to_place("google_chat", google_chat.address)

    carry("google_chat", page)
    carry("google_chat", replace(page, maybe_duplicate=True))

    assert len(google_chat.requests) == 2
    assert len(google_chat.messages) == 1


def test_google_chat_that_says_200_to_an_error_is_not_believed(google_chat: GoogleChat):
    google_chat.faults.append(json_reply({"error": {"code": 503, "status": "UNAVAILABLE"}}))

    with pytest.raises(DeliveryError) as caught:
        carry("google_chat", page_to_place("google_chat", google_chat.address))

    assert not caught.value.permanent


def test_a_webhook_that_google_chat_does_not_know_breaks_its_address(google_chat: GoogleChat):
    address = f"{google_chat.url}/v1/spaces/GONE/messages?key=k&token=t"

    with pytest.raises(DeliveryError) as caught:
        carry("google_chat", page_to_place("google_chat", address))

    assert caught.value.breaks_address


# Discord


@pytest.mark.parametrize(
    ("status", "colour"),
    [("triggered", 0xD32F2F), ("acknowledged", 0xF9A825), ("resolved", 0x388E3C)],
)
def test_the_colour_in_discord_is_that_of_the_status(discord: Discord, status: str, colour: int):
    carry("discord", page_to_place("discord", discord.address, status=status))

    assert discord.messages[0]["embeds"][0]["color"] == colour


def test_discord_gets_an_embed_and_says_which_message_it_became(discord: Discord):
    sent = carry("discord", page_to_place("discord", discord.address))

    embed = discord.messages[0]["embeds"][0]
    assert embed["title"] == r"\#12 Error rate above 5 %"
    assert embed["url"] == "https://ops.example.com/incidents/12/"
    assert embed["fields"][0] == {"name": "Service", "value": "Checkout", "inline": True}
    assert sent.message_id == "1001"


def test_nobody_is_mentioned_by_a_title_in_discord(discord: Discord):
    carry("discord", page_to_place("discord", discord.address, title=NASTY))

    message = discord.messages[0]
    assert message["allowed_mentions"] == {"parse": []}
    assert message["embeds"][0]["title"] == (
        r"\#12 \<b\>\*\[click\]\(https\://evil.example\)\* \@everyone"
    )


def test_a_thread_in_the_address_of_discord_is_kept(discord: Discord):
    carry("discord", page_to_place("discord", f"{discord.address}?thread_id=99"))

    assert discord.requests[0].query == {"thread_id": ["99"], "wait": ["true"]}


def test_discord_says_in_the_body_how_long_to_wait(discord: Discord):
    discord.faults.append(rate_limited(1.5))

    with pytest.raises(DeliveryError) as caught:
        carry("discord", page_to_place("discord", discord.address))

    assert caught.value.retry_after == timedelta(seconds=1.5)
    assert not caught.value.permanent


def test_discord_s_header_is_always_in_seconds_and_its_number_is_not(discord: Discord):
    headers = {"X-RateLimit-Reset-After": "1.25"}
    discord.faults.append(Reply(429, b'{"retry_after": 1250}', headers))

    with pytest.raises(DeliveryError) as caught:
        carry("discord", page_to_place("discord", discord.address))

    assert caught.value.retry_after == timedelta(seconds=1.25)


def test_what_teams_takes_is_enough_for_the_longest_message_in_any_script():
    long = page_to_place("teams", "https://example.com/hook", title="🔥" * 500)

    message = CHANNELS["teams"].render(several_long(long))

    assert len(message.raw) < 28 * 1024


def several_long(page: Page) -> list[Page]:
    assert page.incident is not None
    return [replace(page, incident=replace(page.incident, id=n)) for n in range(1, 31)]


@pytest.mark.parametrize("said", ["NaN", "1e999", '"soon"', "-1", "true", "null"])
def test_nonsense_about_how_long_to_wait_is_harmless(discord: Discord, said: str):
    discord.faults.append(Reply(429, b'{"retry_after": %s}' % said.encode()))

    with pytest.raises(DeliveryError) as caught:
        carry("discord", page_to_place("discord", discord.address))

    assert caught.value.retry_after in (None, timedelta())


@pytest.mark.parametrize("path", ["/api/webhooks/2/token", "/api/webhooks/1/stale"])
def test_a_webhook_that_discord_deleted_breaks_its_address(discord: Discord, path: str):
    with pytest.raises(DeliveryError) as caught:
        carry("discord", page_to_place("discord", discord.url + path))

    assert caught.value.breaks_address


@pytest.mark.parametrize("body", [b"", b"[" * 50_000], ids=["nothing", "nested without end"])
def test_discord_that_stored_nothing_is_not_believed(discord: Discord, body: bytes):
    discord.faults.append(Reply(200, body))

    with pytest.raises(DeliveryError) as caught:
        carry("discord", page_to_place("discord", discord.address))

    assert caught.value.may_have_arrived


# All of them

KINDS = ["teams", "google_chat", "discord"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def room(kind: str, request: pytest.FixtureRequest) -> tuple[StandIn, str]:
    """The chat of the kind, and the address that it gives out."""
    stand_in = request.getfixturevalue(kind)
    return stand_in, getattr(stand_in, "address", f"{stand_in.url}/workflow")


Room = tuple[StandIn, str]


def test_several_incidents_become_one_message(kind: str, room: Room):
    carry(kind, *several(page_to_place(kind, room[1]), 12))

    (request,) = room[0].requests
    body = request.body.decode()
    assert "12 open on Checkout" in body
    assert "12 Disk 12" not in body
    assert "and 2 more" in body
    assert "https://ops.example.com/incidents/?service=3" in body


def test_a_notice_is_told_with_its_link(kind: str, room: Room):
    notice = Notice("Test of the room", "Nothing is wrong.", "/destinations/5/", {})

    carry(kind, notice_of(kind, room[1], notice))

    body = room[0].requests[0].body.decode()
    assert "Nothing is wrong." in body
    assert "https://ops.example.com/destinations/5/" in body


def test_a_notice_of_a_title_alone_is_told(kind: str, room: Room):
    carry(kind, notice_of(kind, room[1], Notice("Only this", "", "", {})))

    assert "Only this" in room[0].requests[0].body.decode()


def test_an_event_says_what_happened(kind: str, room: Room):
    event = Event(1, "incident.acknowledged", "2026-11-23T12:00:00Z", "Acknowledged by Bob", None)
    page = page_to_place(kind, room[1], status="acknowledged", event=event, reason="event")

    carry(kind, page)

    assert "Acknowledged by Bob" in room[0].requests[0].body.decode()


def test_a_possible_repetition_says_so(kind: str, room: Room):
    carry(kind, page_to_place(kind, room[1], maybe_duplicate=True))

    assert "This may be a repetition" in room[0].requests[0].body.decode()


def test_a_chat_that_is_out_of_order_is_tried_again(kind: str, room: Room):
    room[0].faults.append(Reply(503, headers={"Retry-After": "7"}))

    with pytest.raises(DeliveryError) as caught:
        carry(kind, page_to_place(kind, room[1]))

    assert not caught.value.permanent
    assert caught.value.retry_after == timedelta(seconds=7)


def test_a_chat_that_falls_silent_may_have_shown_the_message(kind: str, room: Room):
    room[0].faults.append(Reply(is_silent=True))

    with pytest.raises(DeliveryError) as caught:
        carry(kind, page_to_place(kind, room[1]))

    assert caught.value.may_have_arrived


def test_a_slow_chat_is_given_up_in_time(kind: str, room: Room, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("notifications.providers.user_urls.SEND_SECONDS", 0.3)
    room[0].faults.append(Reply(delay=3))

    with pytest.raises(DeliveryError) as caught:
        carry(kind, page_to_place(kind, room[1]))

    assert caught.value.may_have_arrived


def test_a_chat_without_tls_where_it_should_be_gets_nothing(kind: str, room: Room):
    with pytest.raises(DeliveryError) as caught:
        carry(kind, page_to_place(kind, room[1].replace("http://", "https://")))

    assert caught.value.provider_is_down
    assert not caught.value.may_have_arrived
    assert room[0].requests == []


def test_an_answer_that_is_cut_off_leaves_open_whether_it_arrived(kind: str, room: Room):
    room[0].faults.append(Reply(200, b'{"id": "1", "name": "x"}', cut_after=3))

    with pytest.raises(DeliveryError) as caught:
        carry(kind, page_to_place(kind, room[1]))

    assert caught.value.may_have_arrived


def test_ten_megabytes_of_answer_are_not_read(kind: str, room: Room):
    room[0].faults.append(Reply(500, b"x" * 10_000_000))

    with pytest.raises(DeliveryError) as caught:
        carry(kind, page_to_place(kind, room[1]))

    assert str(caught.value) == "Answered 500."


@pytest.mark.parametrize("status", [401, 403])
def test_a_chat_that_refuses_once_stays_in_use(kind: str, room: Room, status: int):
    room[0].faults.append(Reply(status))

    with pytest.raises(DeliveryError) as caught:
        carry(kind, page_to_place(kind, room[1]))

    assert (caught.value.permanent, caught.value.breaks_address) == (True, False)


def test_a_chat_does_not_lead_into_a_private_network(kind: str, room: Room, settings: Settings):
    settings.WEBHOOK_ALLOW_PRIVATE = False

    with pytest.raises(DeliveryError) as caught:
        carry(kind, page_to_place(kind, room[1]))

    assert caught.value.breaks_address
    assert room[0].requests == []


@pytest.mark.parametrize("address", ["nonsense", "ftp://example.com/", "https://exa mple/"])
def test_an_address_of_a_chat_that_is_none_is_refused_for_good(kind: str, address: str):
    with pytest.raises(DeliveryError) as caught:
        carry(kind, page_to_place(kind, address))

    assert caught.value.breaks_address
