"""Linking a member of Slack to a person."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from bench.stand_ins.slack import Member, SlackStandIn
from notifications.models import (
    ChatAccount,
    ContactMethod,
)
from notifications.services.chat_accounts import LinkOffer, link_url
from opsknight.models import AuditEntry, User
from tests.notifications.slack import (
    link,
)

pytestmark = pytest.mark.django_db


OFFER = LinkOffer("T0WORKSPACE", "U0JOE0001", "Joe")


def path_of(offer: LinkOffer) -> str:
    return "/" + link_url(offer).split("/", 3)[3]


def test_linking_is_audited_and_adds_the_contact_method(client: Client, bob: User):
    client.force_login(bob)

    client.post(path_of(OFFER), {"messages": "on"})

    method = ContactMethod.objects.get(channel="slack")
    assert (method.address, method.is_usable) == ("U0JOE0001", True)
    assert {rule.urgency for rule in method.rules.all()} == {"high", "other"}
    assert AuditEntry.objects.get(action="chat_account.linked").actor == bob


def test_who_is_linked_is_called_by_name_where_pages_go_there(
    client: Client, slack: SlackStandIn, bob: User
):
    client.force_login(bob)
    before = client.get("/settings/notifications/").content.decode()

    client.post(path_of(OFFER), {"messages": "on"})
    settings = client.get("/settings/notifications/").content.decode()
    accounts = client.get("/settings/slack/").content.decode()

    assert "Link Slack" in before
    assert "<span>Slack: Joe</span>" in settings
    assert "Slack to Joe" in settings
    assert "<strong>Joe</strong>" in accounts
    assert "Send me a link in Slack" not in accounts


def test_linking_without_messages_adds_no_contact_method(client: Client, bob: User):
    client.force_login(bob)

    client.post(path_of(OFFER))

    assert ChatAccount.objects.get().user == bob
    assert not ContactMethod.objects.exists()


def test_a_member_is_one_person_and_the_former_one_is_paged_there_no_more(
    client: Client, bob: User, carol: User
):
    client.force_login(bob)
    client.post(path_of(OFFER), {"messages": "on"})
    client.force_login(carol)

    client.post(path_of(OFFER), {"messages": "on"})

    assert ChatAccount.objects.get().user == carol
    assert ContactMethod.objects.get(channel="slack").user == carol


def test_looking_at_a_link_links_nobody(client: Client, bob: User):
    client.force_login(bob)

    page = client.get(path_of(OFFER)).content.decode()

    assert "Go on only if this is your own account" in page
    assert not ChatAccount.objects.exists()


def test_a_link_that_is_old_or_changed_is_refused(client: Client, bob: User):
    client.force_login(bob)
    path = path_of(OFFER)

    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        client.force_login(bob)
        assert client.post(path).status_code == 404
    assert client.post(path[:-3] + "x/").status_code == 404

    assert not ChatAccount.objects.exists()


def test_unlinking_is_for_the_owner_only(
    client: Client, bob: User, eve: User, bob_in_slack: Member
):
    row = link(bob, bob_in_slack)
    client.force_login(eve)
    assert client.post(f"/settings/slack/{row.pk}/unlink/").status_code == 404

    client.force_login(bob)
    client.post(f"/settings/slack/{row.pk}/unlink/")

    assert not ChatAccount.objects.exists()


def test_the_bot_sends_the_link_to_the_member_with_the_address(
    client: Client, slack: SlackStandIn, bob: User, bob_in_slack: Member
):
    client.force_login(bob)

    client.post("/settings/slack/find/")
    address = slack.posts[0].text.split("<")[1].split("|")[0]
    client.post(address, {"messages": "on"})

    assert slack.posts[0].room == "D0BOB0001"
    account = ChatAccount.objects.get()
    assert (account.user, account.member) == (bob, bob_in_slack.id)


def test_nobody_with_the_address_is_said(client: Client, slack: SlackStandIn, bob: User):
    client.force_login(bob)

    page = client.post("/settings/slack/find/", follow=True).content.decode()

    assert "Nobody in Slack has the address bob@example.com." in page


def test_the_page_of_ones_accounts_shows_ones_own_only(
    client: Client, slack: SlackStandIn, bob: User, eve: User, bob_in_slack: Member
):
    link(bob, bob_in_slack)
    client.force_login(eve)

    page = client.get("/settings/slack/").content.decode()

    assert bob_in_slack.id not in page
    assert "Send me a link in Slack" in page
