"""What a channel is, and what it renders: pages into a message, which a provider carries."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings

from notifications.models import Notification

# A send that takes longer is given up; well under the lease, so that nobody sends it meanwhile.
SEND_SECONDS = 15.0
# The same for an edit of a message in a chat, for which nobody waits.
EDIT_SECONDS = 5.0


@dataclass(frozen=True)
class Person:
    """Somebody as messages name them."""

    id: int
    name: str
    email: str
    time_zone: str = "UTC"


@dataclass(frozen=True)
class Place:
    """A destination as messages name it."""

    id: int
    name: str
    time_zone: str = "UTC"


@dataclass(frozen=True)
class Notice:
    """What a message says that is about no incident."""

    subject: str  # one line
    text: str
    link: str  # path of the page that it leads to; may be empty
    details: dict[str, Any]  # the same for machines

    @property
    def url(self) -> str:
        """Its page, as an absolute address; empty when it leads nowhere."""
        return f"{settings.PUBLIC_URL}{self.link}" if self.link else ""


@dataclass(frozen=True)
class Event:
    """What happened to an incident, for whoever follows its service or its team."""

    id: int  # of the timeline entry: the same in every message about it
    type: str  # "incident.acknowledged"
    at: str  # ISO 8601, UTC
    message: str  # "Acknowledged by Bob"
    actor: dict[str, Any] | None  # {"id", "name"}; id is null for a monitoring system
    template: str = ""  # of the body of a webhook; empty: ours


@dataclass(frozen=True)
class Posted:
    """A message of ours in a chat: later ones answer it, and it is edited."""

    provider: str  # ProviderConfig.key
    place: str  # the chat's own id of the channel or conversation
    message_id: str


@dataclass(frozen=True)
class PagedIncident:
    """What a message tells about the incident."""

    id: int
    title: str
    description: str
    status: str
    urgency: str  # stored value: high, medium, low
    service_id: int
    service_name: str
    assignee: Person | None
    created_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None

    @property
    def url(self) -> str:
        """Its page, as an absolute address."""
        return f"{settings.PUBLIC_URL}/incidents/{self.id}/"


@dataclass(frozen=True)
class Page:
    """One claimed notification with all that sending it takes: senders never ask the database.

    Either `incident` or `notice` is set. With `event`, nobody is paged: the message says what
    happened to the incident.
    """

    notification_id: int
    claim: int  # 1 for the first; proves whose lease it is
    channel: str
    address: str
    method_id: int | None
    secret_token: str  # encrypted
    idempotency_key: UUID
    maybe_duplicate: bool
    reason: str
    recipient: Person | Place
    incident: PagedIncident | None
    notice: Notice | None = None
    cannot_send: str = ""  # why this must not be sent at all, e.g. the way was switched off
    event: Event | None = None
    reply_code: int | None = None  # by which an answer by SMS names the incident
    posted: Posted | None = None  # where this address of a chat shows the incident already
    members: tuple[str, ...] = ()  # of the chat, who are on call; only for a user group
    turn: int = 0  # see notifications.turns
    bundle: UUID | None = None  # the message that it went out in before

    @property
    def title(self) -> str:
        """What it is about, in one line."""
        if self.incident is not None and self.event is not None:
            return f"{self.event.message}: {self.incident.title}"
        if self.incident is not None:
            return self.incident.title
        return self.notice.subject if self.notice is not None else ""

    @property
    def opens_card(self) -> bool:
        """In a chat: it is the first about its incident there, and is edited from then on."""
        if self.incident is None or self.posted is not None:
            return False
        if self.event is not None:
            return self.event.type == "incident.triggered"
        return self.reason != Notification.Reason.STATUS

    @property
    def is_for_place(self) -> bool:
        """It goes to a destination, not to a person."""
        return isinstance(self.recipient, Place)


@dataclass(frozen=True)
class Message:
    """A rendered message, the same for every provider of its channel.

    Several pages may go out as one message; then it speaks of all of them.
    """

    address: str
    text: str
    subject: str = ""
    html: str = ""
    raw: bytes = b""  # as it goes out, where that does not depend on the provider
    headers: dict[str, str] = field(default_factory=dict)  # where they are not part of `raw`
    # What providers of the channel need beyond the words; each channel documents its own.
    data: dict[str, Any] = field(default_factory=dict)
    # Of the address (keys of a push subscription), plain.
    secret: str = field(default="", repr=False)


class Postponed(Exception):
    """Not now, and nobody's fault: the pages go back to wait. Counts as no attempt.

    `is_for_address`: so does everything else that is due to the same address.
    """

    def __init__(
        self, wait: Notification.Wait, until: datetime, *, is_for_address: bool = False
    ) -> None:
        super().__init__(f"waits {wait.label} until {until:%H:%M:%S}")
        self.wait = wait
        self.until = until
        self.is_for_address = is_for_address


class DeliveryError(Exception):
    """A message could not be handed over. The text is shown to responders: no secrets, no URLs.

    `permanent`: trying again is pointless. `breaks_address`: the address itself is dead and is
    switched off; with `is_stop` because its owner asked the provider for that, until START.
    `may_have_arrived`: the provider fell silent after it had everything.
    `retry_after`: the provider asks for this much patience; until then its account is left alone,
    or the address, see `Provider.holds_addresses`. `provider_is_down`: the message and the address
    are not to blame, another provider may take it; counts against the breaker of this one, unless
    it is permanent: what this one may never carry.
    """

    def __init__(
        self,
        text: str,
        *,
        permanent: bool = False,
        breaks_address: bool = False,
        is_stop: bool = False,
        may_have_arrived: bool = False,
        retry_after: timedelta | None = None,
        provider_is_down: bool = False,
    ) -> None:
        super().__init__(text)
        self.permanent = permanent
        self.breaks_address = breaks_address
        self.is_stop = is_stop
        self.may_have_arrived = may_have_arrived
        self.retry_after = retry_after
        self.provider_is_down = provider_is_down


class Channel(ABC):
    """One way out: renders messages. Providers carry them. Shared by all sending threads."""

    name: ClassVar[str]
    queue: ClassVar[str]  # Celery queue of its deliveries
    phrase: ClassVar[str]  # "Page sent to Bob <phrase>"
    parallel: ClassVar[int]  # sends at the same time, per process
    # Whether several pages of a service may become one message, see notifications.bundling.
    gathers: ClassVar[bool] = True

    @abstractmethod
    def render(self, pages: Sequence[Page]) -> Message:
        """The message that tells of all these pages, which go to one address; at least one.

        Raises DeliveryError for a bad address. The same pages always give the same words.
        """


class CardChannel(Channel):
    """A chat in which the message about an incident is edited when the incident moves on."""

    gathers = False  # each incident has a message of its own

    @abstractmethod
    def render_card(
        self, incident: PagedIncident, *, address: str, shown: str, said: str
    ) -> Message:
        """The message as it is to be now.

        `shown` is the incident's status, or "escalated" for one that is triggered and went further
        since it was posted; `said` is who did what, and may be empty.
        """


class ListChannel(CardChannel):
    """A chat that lists several incidents in one message, which is edited, too."""

    gathers = True

    @abstractmethod
    def render_list(
        self, incidents: Sequence[tuple[PagedIncident, str]], *, address: str
    ) -> Message:
        """The message as it is to be now; each incident with what it is shown as."""
