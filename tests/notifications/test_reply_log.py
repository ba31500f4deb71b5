"""What people wrote back and what did nothing, for administrators."""

import pytest
from django.test import Client
from django.utils import timezone

from notifications.models import InboundReply
from notifications.reply_log import page_of_replies, replies_for
from notifications.services.replies import answer_reply
from opsknight.models import User
from tests.factories import ContactMethodFactory

pytestmark = pytest.mark.django_db
URL = "/deliveries/replies/"
NUMBER = "+4915112345678"


def said(text: str, *, address: str = NUMBER) -> None:
    answer_reply(channel="sms", address=address, text=text, message_id="", now=timezone.now())


def test_an_answer_that_was_not_understood_is_shown_to_administrators(
    client: Client, alice: User, bob: User
):
    ContactMethodFactory(user=bob, channel="sms", address=NUMBER)
    said("<b>on my way</b>")
    said("who are you", address="+4915100000099")
    client.force_login(alice)

    page = client.get(URL).content.decode()

    assert "&lt;b&gt;on my way&lt;/b&gt;" in page
    assert str(bob) in page
    assert "Sorry, that was not understood" in page
    assert "only verified addresses get an answer" in page
    assert NUMBER not in page
    assert f'href="{URL}"' in client.get("/deliveries/").content.decode()


@pytest.mark.parametrize("name", ["bob", "carol", "eve"])
def test_nobody_else_sees_what_people_write(
    name: str, client: Client, bob: User, carol: User, eve: User
):
    client.force_login({"bob": bob, "carol": carol, "eve": eve}[name])

    assert client.get(URL).status_code == 403
    assert URL not in client.get("/deliveries/").content.decode()


def test_what_acted_names_no_incident_there(client: Client, alice: User, bob: User):
    InboundReply.objects.create(
        channel="sms", address=NUMBER, user=bob, text="close 4711", was_understood=True,
        answer="Acknowledged: #12 A private matter",
    )  # fmt: skip
    client.force_login(alice)

    few, everything = client.get(URL), client.get(f"{URL}?all=1")

    assert "close 4711" not in few.content.decode()
    assert "close 4711" in everything.content.decode()
    assert "Understood" in everything.content.decode()
    assert "private matter" not in everything.content.decode()


def test_replies_are_read_page_by_page(alice: User):
    for number in range(5):
        said(f"what {number}")

    first, older = page_of_replies(replies_for(alice), "", size=3)
    second, end = page_of_replies(replies_for(alice), older, size=3)

    assert [row.text for row in (*first, *second)] == [f"what {n}" for n in (4, 3, 2, 1, 0)]
    assert end == ""
    assert page_of_replies(replies_for(alice), "nonsense", size=9)[0]
