"""Signed one-tap links: whoever holds one answers one page in the name of whom it was sent to.

A link names the page in the outbox and what to do. The page says who it was for, which incident it
is about and by which address it went, so that a link loses its power with any of them. The
same page always has the same links: a repetition of a message must not differ from the first.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from django.conf import settings
from django.core.signing import BadSignature, Signer

from opsknight.errors import NotFound

if TYPE_CHECKING:  # channels put links into their messages: they import this module
    from notifications.channels.base import Page

# The last: everything that the message of this page named.
LinkAction: TypeAlias = Literal["acknowledge", "resolve", "acknowledge_all"]

# Written down, not reversed: the first message of a worker would load every page of the
# installation. A test asks the URL map.
PATH = "/a/{}/"

_signer = Signer(salt="notifications.links", sep=".")


@dataclass(frozen=True)
class SignedAnswer:
    """What a link with a good signature says."""

    notification_id: int
    action: LinkAction


def answer_url(page: "Page", action: LinkAction) -> str:
    """The address that answers the page at one tap, good for 7 days after it was sent.

    Empty where nobody can answer: a notice is about no incident, a destination is no person.
    Opening it shows a page with a button; POST acts (see notifications/web/links.py).
    """
    if page.incident is None or page.is_for_place:
        return ""
    token = sign_answer(SignedAnswer(page.notification_id, action))
    return f"{settings.PUBLIC_URL}{PATH.format(token)}"


def sign_answer(answer: SignedAnswer) -> str:
    """The token of a link."""
    return _signer.sign(f"{answer.notification_id}.{answer.action}")


def read_answer(token: str) -> SignedAnswer:
    """What a token says; raises NotFound unless it is one of ours, unchanged."""
    try:
        pk, _, action = _signer.unsign(token).partition(".")
    except BadSignature as error:
        raise NotFound("There is nothing at this address.") from error
    return SignedAnswer(int(pk), cast(LinkAction, action))
