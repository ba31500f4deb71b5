"""The log of outgoing messages: who may see which, what an address asks for, and the order.

What waits comes first, then what was sent last. The only way to a message for a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from incidents.filters import MAX_TEXT, read_id
from incidents.selectors import may_act_on, visible_incidents
from notifications.models import Destination, Notification
from notifications.models.preferences import Channel
from notifications.selectors import may_change_destination, visible_destinations
from opsknight.errors import NotAllowed, NotFound
from opsknight.models import User

State = Notification.State
PAGE_SIZE = 50
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = 253_402_300_799_000_000  # the end of the year 9999, in microseconds
# Besides the states themselves.
GROUPS: dict[str, tuple[State, ...]] = {
    "waiting": Notification.UNFINISHED,
    "reached": (State.SENT, State.DELIVERED),
}
OUTGOING = [choice for choice in Channel.choices if choice[0] != Channel.IN_APP]


def visible_messages(user: User) -> QuerySet[Notification]:
    """Messages about incidents the person may see, and, where they are about none, those to the
    person and to destinations the person may see; administrators also see notices to others.

    A message about a private incident is as private as the incident, wherever it went.
    """
    messages = (
        Notification.objects.exclude(channel=Channel.IN_APP)
        .select_related("user", "destination", "in_place_of", "incident__service")
        .defer("destination__secret")
        .annotate(kept_message_id=F("sandbox_message__pk"))
    )
    if not user.is_active:
        return messages.none()
    incidents = visible_incidents(user).filter(pk=OuterRef("incident_id")).order_by()
    is_seen = Exists(incidents) | Q(user=user, incident=None)
    if user.is_admin:
        return messages.filter(is_seen | Q(incident=None))
    places = visible_destinations(user).filter(pk=OuterRef("destination_id")).order_by()
    return messages.filter(is_seen | (Q(incident=None) & Exists(places)))


def get_message_for(user: User, pk: int) -> Notification:
    """One message; raises NotFound."""
    message = visible_messages(user).filter(pk=pk).first()
    if message is None:
        raise NotFound(f"There is no message {pk}.")
    return message


def get_message_to_resend_for(user: User, pk: int) -> Notification:
    """One message to be sent again; raises NotFound out of sight, NotAllowed in sight only."""
    message = get_message_for(user, pk)
    if not may_resend(user, message):
        raise NotAllowed("You may see this message but not send it again.")
    return message


def may_resend(user: User, message: Notification) -> bool:
    """Its own person, who may act on its incident, and who runs its destination.

    What a destination has had already, or follows, only the last of these.
    """
    place = message.destination
    if place is not None and may_change_destination(user, place):
        return True
    if message.reason == Notification.Reason.EVENT or (
        place is not None and message.state != State.FAILED
    ):
        return False
    if message.incident is not None and may_act_on(user, message.incident):
        return True
    return message.user_id == user.pk or (user.is_admin and message.incident_id is None)


@dataclass(frozen=True)
class MessageSearch:
    """What somebody wants to see. Anything unreadable in an address means "no such filter"."""

    state: str = ""  # a state, or one of GROUPS
    channel: str = ""
    reason: str = ""
    incident_id: int | None = None
    destination_id: int | None = None
    text: str = ""  # part of a recipient's name, or #incident

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "MessageSearch":
        """Read an address; nothing in it can fail."""
        state, channel = query.get("state", ""), query.get("channel", "")
        reason = query.get("reason", "")
        return cls(
            state=state if state in State.values or state in GROUPS else "",
            channel=channel if channel in dict(OUTGOING) else "",
            reason=reason if reason in Notification.Reason.values else "",
            incident_id=read_id(query.get("incident", "")),
            destination_id=read_id(query.get("destination", "")),
            text=query.get("q", "").replace("\x00", "").strip()[:MAX_TEXT],
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is chosen."""
        return self != MessageSearch()

    def query(self, **changes: str) -> str:
        """The address of this search, with `changes`."""
        values = {
            "state": self.state,
            "channel": self.channel,
            "reason": self.reason,
            "incident": str(self.incident_id or ""),
            "destination": str(self.destination_id or ""),
            "q": self.text,
        }
        return urlencode({name: value for name, value in (values | changes).items() if value})


def narrowed_messages(
    messages: QuerySet[Notification], wanted: MessageSearch
) -> QuerySet[Notification]:
    """Those that a search asks for."""
    if wanted.state:
        messages = messages.filter(state__in=GROUPS.get(wanted.state, (wanted.state,)))
    if wanted.channel:
        messages = messages.filter(channel=wanted.channel)
    if wanted.reason:
        messages = messages.filter(reason=wanted.reason)
    if wanted.incident_id is not None:
        messages = messages.filter(incident_id=wanted.incident_id)
    if wanted.destination_id is not None:
        messages = messages.filter(destination_id=wanted.destination_id)
    if wanted.text:
        messages = messages.filter(_mentions(wanted.text))
    return messages


def _mentions(text: str) -> Q:
    # By their numbers, so that no row of a long log is joined only to be passed over.
    users = User.objects.filter(name__icontains=text).values("pk")
    places = Destination.objects.filter(name__icontains=text).values("pk")
    named = Q(user_id__in=users) | Q(destination_id__in=places)
    number = read_id(text.removeprefix("#"))
    return named | Q(incident_id=number) if number is not None else named


@dataclass(frozen=True)
class MessagePage:
    """Some messages, and the position after them."""

    rows: list[Notification]
    older: str  # empty at the end


def page_of_messages(
    messages: QuerySet[Notification], position: str, size: int = PAGE_SIZE
) -> MessagePage:
    """What waits, newest first, then what is finished, latest first; from a position on.

    One query. PostgreSQL puts what has no `finished_at` first.
    """
    after = _read(position)
    if after is not None:
        messages = messages.filter(_behind(*after))
    found = list(messages.order_by("-finished_at", "-pk")[: size + 1])
    shown = found[:size]
    return MessagePage(shown, _position_of(shown[-1]) if len(found) > size else "")


def _behind(finished_at: datetime | None, pk: int) -> Q:
    if finished_at is None:
        return Q(finished_at=None, pk__lt=pk) | Q(finished_at__isnull=False)
    return Q(finished_at__lt=finished_at) | Q(finished_at=finished_at, pk__lt=pk)


def _position_of(message: Notification) -> str:
    if message.finished_at is None:
        return f"waiting-{message.pk}"
    return f"{(message.finished_at - EPOCH) // timedelta(microseconds=1)}-{message.pk}"


def _read(position: str) -> tuple[datetime | None, int] | None:
    """A position; None when it is not one of ours."""
    at, _, pk = position.partition("-")
    number = read_id(pk)
    if number is None:
        return None
    if at == "waiting":
        return None, number
    moment = read_id(at)
    if moment is None or moment > LATEST:
        return None
    return EPOCH + timedelta(microseconds=moment), number
