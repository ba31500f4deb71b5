"""Messages of ours in chats: which incident stands where already, and what was posted just now."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from django.db.models.functions import Now

from notifications.channels import CHANNELS
from notifications.channels.base import CardChannel, ListChannel, Page, Posted
from notifications.models import ChatAccount, PostedMessage
from notifications.models.preferences import Channel, is_user_group
from notifications.services.routing import Route
from opsknight.rows import fetch_rows

# Incident, channel, address.
Spot: TypeAlias = tuple[int, str, str]
_POSTED = """
SELECT incident_id, channel, address, provider, place, message_id FROM notifications_postedmessage
WHERE incident_id = ANY(%s)
"""


def with_chat_facts(pages: Sequence[Page]) -> list[Page]:
    """The pages with what chats have of them: the message to be answered, members on call.

    No query for pages of other channels; else one, and one more for user groups.
    """
    posted = _posted([page for page in pages if _is_card(page.channel)])
    members = _members([page for page in pages if _is_for_group(page)])
    return [
        replace(
            page,
            posted=posted.get(_spot(page)),
            members=tuple(members[pk] for pk in _on_call(page) if pk in members)
            if _is_for_group(page)
            else (),
        )
        if _is_card(page.channel)
        else page
        for page in pages
    ]


def record_posts(sent: Iterable[tuple[Page, Route]]) -> None:
    """Remember cards that were posted, so that they are edited from now on; one statement if any.

    The caller holds the transaction, and locks on the notifications. A list of incidents is
    remembered for each of them, where the chat can edit it.
    """
    pairs = list(sent)
    shared = Counter(id(route) for _, route in pairs)
    rows = [
        PostedMessage(
            incident_id=page.incident.id,
            channel=page.channel,
            address=page.address,
            provider=posted.provider,
            place=posted.place,
            message_id=posted.message_id,
            shown=page.incident.status,
            # By the clock of the engine, whose later steps make it "escalated".
            created_at=Now(),
        )
        for page, route in pairs
        if page.incident is not None
        and (posted := route.sent.posted if route.sent else None) is not None
        and page.opens_card
        and (shared[id(route)] == 1 or isinstance(CHANNELS[page.channel], ListChannel))
    ]
    if rows:
        PostedMessage.objects.bulk_create(rows, ignore_conflicts=True)


def _posted(pages: Sequence[Page]) -> dict[Spot, Posted]:
    ids = {page.incident.id for page in pages if page.incident is not None}
    if not ids:
        return {}
    rows = fetch_rows(_POSTED, [[*ids]])
    return {(pk, channel, address): Posted(*where) for pk, channel, address, *where in rows}


def _members(pages: Sequence[Page]) -> dict[int, str]:
    """Who is who in Slack; the account that was linked last, where somebody has several."""
    ids = {pk for page in pages for pk in _on_call(page)}
    if not ids:
        return {}
    accounts = ChatAccount.objects.filter(channel=Channel.SLACK, user_id__in=ids)
    return dict(accounts.order_by("linked_at").values_list("user_id", "member"))


def _on_call(page: Page) -> list[int]:
    """Whom a notice about a schedule names; see `escalations/services/announcements.py`."""
    people = page.notice.details.get("on_call", []) if page.notice is not None else []
    return [person["id"] for person in people]


def _is_card(channel: str) -> bool:
    return isinstance(CHANNELS[channel], CardChannel)


def _is_for_group(page: Page) -> bool:
    return page.channel == Channel.SLACK and is_user_group(page.address)


def _spot(page: Page) -> Spot:
    return (page.incident.id if page.incident else 0, page.channel, page.address)
