"""The log of what people wrote back, for administrators: why an answer did nothing."""

from django.db.models import QuerySet

from incidents.filters import read_id
from notifications.models import InboundReply
from opsknight.errors import NotAllowed
from opsknight.models import User

PAGE_SIZE = 50


def replies_for(user: User) -> QuerySet[InboundReply]:
    """Every answer that came in; raises NotAllowed for whoever is no administrator."""
    if not user.is_admin:
        raise NotAllowed("Only administrators see what people write back.")
    return InboundReply.objects.select_related("user").order_by("-pk")


def page_of_replies(
    replies: QuerySet[InboundReply], older: str, size: int = PAGE_SIZE
) -> tuple[list[InboundReply], str]:
    """The newest first, from a position on, and the position after them; one query."""
    after = read_id(older)
    if after is not None:
        replies = replies.filter(pk__lt=after)
    found = list(replies[: size + 1])
    return found[:size], str(found[size - 1].pk) if len(found) > size else ""


def shown_answer(reply: InboundReply) -> str:
    """What was said to it; not of one that acted, because that names an incident.

    Administrators do not see private incidents of teams that they are not in.
    """
    return "" if reply.was_understood else reply.answer
