"""Answers that people write back to a page by SMS or WhatsApp.

Numbers that nobody has proved to be theirs get no answer, and nor does nonsense for ever: two
machines that talk to each other would never end. What counts is in the database, so every worker
counts the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from notifications.channels import CHANNELS
from notifications.models import ContactMethod, InboundReply, Notification
from notifications.reply_grammar import Names, Reply, Verb, parse_reply
from notifications.services.answers import Action, Answer, act
from notifications.services.reply_codes import (
    incident_of_code,
    incidents_of_message,
    last_page_at,
    lock_telephones,
    was_sent_to,
)
from notifications.services.stopping import start_address, stop_address
from opsknight.errors import InvalidInput, NotFound, OpsKnightError
from opsknight.models import User

# What was not understood is of no use any more; what was, says who wanted to be left alone.
KEPT = timedelta(days=30)
# Answers in a row to what was not understood.
MAX_SORRIES = 5
MAX_TEXT_LENGTH = 500
MAX_ID_LENGTH = 200
SORRY = (
    "Sorry, that was not understood. Reply a number with a letter: 1a acknowledges the page "
    "with number 1, 1c resolves it. STOP ends all messages."
)
SWITCHED_OFF = "Answers by message are disabled here. Open OpsKnight to acknowledge."
ACTIONS: dict[Verb, Action] = {
    Verb.ACKNOWLEDGE: "acknowledge",
    Verb.RESOLVE: "resolve",
    Verb.ESCALATE: "escalate",
}


@dataclass(frozen=True)
class Handled:
    """What a reply came to."""

    answer: str  # empty: none
    was_understood: bool
    user: User | None


def answer_reply(*, channel: str, address: str, text: str, message_id: str, now: datetime) -> str:
    """Do what somebody wrote and say what became of it; empty: do not answer.

    `address` in E.164, proved by the provider; `message_id` is the provider's number of the reply:
    a repetition is not acted on again and gets the same answer.
    """
    text = text.replace("\x00", "")[:MAX_TEXT_LENGTH]
    with transaction.atomic():
        lock_telephones([address])
        replies = InboundReply.objects.filter(
            channel=channel, message_id=message_id[:MAX_ID_LENGTH]
        )
        if message_id and (earlier := replies.first()) is not None:
            return earlier.answer
        handled = _handle(channel, address, text, now)
        InboundReply.objects.create(
            at=now,
            channel=channel,
            address=address,
            user=handled.user,
            text=text,
            answer=handled.answer,
            was_understood=handled.was_understood,
            message_id=message_id[:MAX_ID_LENGTH],
        )
    return handled.answer


def forget_replies(*, now: datetime) -> int:
    """Delete replies that were not understood, long ago; returns how many."""
    return InboundReply.objects.filter(was_understood=False, at__lt=now - KEPT).delete()[0]


def _handle(channel: str, address: str, text: str, now: datetime) -> Handled:
    reply = parse_reply(text)
    if reply is not None and reply.verb == Verb.STOP:
        # Also of a number that its owner has not verified. The provider confirms it itself.
        return Handled("", True, stop_address(channel=channel, address=address, now=now))
    is_start = reply is not None and reply.verb == Verb.START
    was_stopped = is_start and start_address(channel=channel, address=address)
    people = _people(channel, address)
    if not people:
        return Handled("", is_start, None)
    if is_start:
        again = "again" if was_stopped else "already"
        return Handled(f"Pages come here {again}. STOP ends them.", True, people[0])
    if reply is not None and settings.SMS_REPLIES:
        return _act(reply, channel, address, people, now)
    said = SORRY if settings.SMS_REPLIES else SWITCHED_OFF
    return Handled(_unless_tired(said, channel, address), False, people[0])


def _people(channel: str, address: str) -> list[User]:
    """Whose number it is, proved and in use; one number may be several people's."""
    methods = ContactMethod.objects.defer("secret").select_related("user")
    found = methods.filter(channel=channel, address=address, user__status=User.Status.ACTIVE)
    return [method.user for method in found if method.is_usable]


def _unless_tired(answer: str, channel: str, address: str) -> str:
    """The answer, or nothing after MAX_SORRIES since the last real action and the last page."""
    replies = InboundReply.objects.filter(channel=channel, address=address)
    acted_at = replies.filter(was_understood=True).aggregate(at=Max("at"))["at"]
    since = max((at for at in (acted_at, last_page_at(address)) if at is not None), default=None)
    sorries = replies.filter(was_understood=False).exclude(answer="")
    if since is not None:
        sorries = sorries.filter(at__gt=since)
    return answer if sorries.count() < MAX_SORRIES else ""


def _act(reply: Reply, channel: str, address: str, people: list[User], now: datetime) -> Handled:
    answers, refusals = [], []
    try:
        for incident_id in _incidents(reply, channel, address):
            try:
                user = _person_of(incident_id, channel, address, people)
                with transaction.atomic():
                    answers.append(
                        act(
                            user=user,
                            incident_id=incident_id,
                            action=ACTIONS[reply.verb],
                            via=CHANNELS[channel].phrase,
                            now=now,
                        )
                    )
            except OpsKnightError as error:
                refusals.append(error.message)
    except OpsKnightError as error:
        refusals.append(error.message)
    if answers:
        return Handled(_told(answers, refusals), True, people[0])
    return Handled(_unless_tired(" ".join(refusals), channel, address), False, people[0])


def _incidents(reply: Reply, channel: str, address: str) -> list[int]:
    """The incidents that a reply means; raises NotFound, InvalidInput when that is not clear."""
    if reply.names is Names.LAST:
        found = incidents_of_message(channel=channel, address=address)
        if not found:
            raise NotFound("Nothing was sent here that could be answered.")
        if len(found) > 1 and not reply.is_for_all and reply.verb != Verb.ACKNOWLEDGE:
            raise InvalidInput(
                f"The last message named {len(found)} incidents. Reply with the number of one, or "
                "aa to acknowledge, cc to resolve all of them."
            )
        return found
    one = _incident(reply, channel, address)
    if not reply.is_for_all:
        return [one]
    return incidents_of_message(channel=channel, address=address, incident_id=one) or [one]


def _incident(reply: Reply, channel: str, address: str) -> int:
    number = reply.number
    if reply.names is Names.INCIDENT:
        return number
    by_code = incident_of_code(address=address, code=number)
    was_sent = was_sent_to(channel=channel, address=address, incident_id=number)
    if reply.names is Names.CODE or not was_sent:
        found = by_code if by_code is not None else number if reply.names is Names.EITHER else None
    elif by_code in (None, number):
        found = number
    else:
        raise InvalidInput(
            f"{number} may mean incident #{number} or the page with number {number}. Reply "
            f"#{number} {reply.verb} or {number} {reply.verb}."
        )
    if found is None:
        raise NotFound(f"No page here has the number {number}.")
    return found


def _person_of(incident_id: int, channel: str, address: str, people: list[User]) -> User:
    """Who of those that share a telephone was paged by it; raises NotFound where nobody was.

    Then nobody knows who of them writes, and one must not act, or look, in the name of another.
    """
    if len(people) == 1:
        return people[0]
    pages = Notification.objects.filter(
        incident_id=incident_id, channel=channel, address=address, user__in=people
    )
    last = pages.select_related("user").order_by("-pk").first()
    if last is None or last.user is None:
        raise NotFound(f"Several people have this number, and no page about #{incident_id} came.")
    return last.user


def _told(answers: list[Answer], refusals: Iterable[str]) -> str:
    if len(answers) == 1:
        return " ".join([answers[0].text, *refusals])
    by_news: dict[str, list[str]] = {}
    for answer in answers:
        by_news.setdefault(answer.news, []).append(f"#{answer.incident_id}")
    told = [f"{len(ids)} {news}: {', '.join(ids)}." for news, ids in by_news.items()]
    return " ".join([*told, *refusals])
