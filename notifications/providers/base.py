"""What a provider is: it takes a rendered message and hands it to a service of the outside world.

Adding one is one file: a subclass with its fields and `send`, and a line in the registry
(`notifications/providers/__init__.py`). It never touches the database.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from notifications.channels.base import DeliveryError, Message, Posted
from notifications.models import Notification


@dataclass(frozen=True)
class Field:
    """One thing that an administrator enters."""

    name: str
    label: str
    is_secret: bool = False
    is_required: bool = True
    default: str = ""
    help_text: str = ""
    choices: tuple[tuple[str, str], ...] = ()  # (value, label); empty: free text


@dataclass(frozen=True)
class ProviderConfig:
    """One account at a provider, ready for use."""

    key: str  # Provider.pk, or "env:<kind>" from the environment; names breakers and limits
    kind: str
    name: str  # as people know it
    values: Mapping[str, str] = field(repr=False)  # fields with their defaults, secrets too
    per_minute: int | None = None  # messages; None: what the channel allows

    def __getitem__(self, name: str) -> str:
        """A field's value; empty when it was left out."""
        return self.values.get(name, "")


@dataclass(frozen=True)
class Sent:
    """The provider took the message."""

    message_id: str = ""  # by which it will speak of the message in receipts
    # SENT, or DELIVERED where taking it means that it has arrived.
    state: Notification.State = Notification.State.SENT
    answer: str = ""  # what it said, shortened, without secrets
    posted: Posted | None = None  # in a chat: what can be edited and answered later


@dataclass(frozen=True)
class Receipt:
    """What a provider says afterwards about a message."""

    message_id: str
    is_delivered: bool | None  # None: still under way
    detail: str = ""  # why not; shown to responders
    breaks_address: bool = False
    is_stop: bool = False  # see DeliveryError


class Provider(ABC):
    """A kind of provider. One instance serves all accounts and all sending threads."""

    kind: ClassVar[str]
    label: ClassVar[str]
    channels: ClassVar[tuple[str, ...]]  # what it can carry at best
    fields: ClassVar[tuple[Field, ...]] = ()
    # The path of ours to which it reports, where an administrator must tell it so.
    reports_to: ClassVar[str] = ""
    # Needs no account: always there, behind those that administrators set up.
    is_built_in: ClassVar[bool] = False
    # It asks for patience with one address; otherwise the whole account is left alone meanwhile.
    holds_addresses: ClassVar[bool] = False
    # Addresses do not say whose they are, and another account would take them for dead: one only.
    only_one: ClassVar[bool] = False
    # What it posted about an incident is edited when the incident moves on.
    edits: ClassVar[bool] = False

    def problems(self, values: Mapping[str, str]) -> dict[str, str]:
        """What is wrong with fields as an administrator entered them, by name."""
        return {}

    def serves(self, config: ProviderConfig, channel: str) -> bool:
        """Whether this account is set up for the channel."""
        return channel in self.channels

    def takes(self, config: ProviderConfig, message: Message) -> bool:
        """Whether this account can carry a message to this address."""
        return True

    @abstractmethod
    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Hand it over within SEND_SECONDS; raises DeliveryError."""

    def ask(self, message_id: str, *, config: ProviderConfig, channel: str) -> Receipt | None:
        """What became of a message; None: it cannot be asked. Raises DeliveryError."""
        return None

    def edit(self, message: Message, *, config: ProviderConfig, posted: Posted) -> None:
        """Replace what a message says, where `edits` is set; raises DeliveryError."""
        raise DeliveryError(f"{self.label} cannot edit messages.", permanent=True)
