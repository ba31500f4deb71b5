"""Trying an account at a provider: one message, by this account and no other."""

from dataclasses import dataclass
from uuid import uuid4

from django.core.exceptions import ValidationError

from notifications.channels import CHANNELS
from notifications.channels.base import DeliveryError, Notice, Page, Person
from notifications.models import Notification
from notifications.models import Provider as Account
from notifications.models.preferences import Channel, clean_address
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig
from notifications.services.accounts import all_accounts, config_of
from notifications.services.fresh_starts import start_afresh
from opsknight.encryption import CannotDecrypt
from opsknight.errors import Conflict, InvalidInput, NotFound
from opsknight.models import User
from opsknight.services.audit import record_event, without_path

# Addresses that nobody can type in: made by a browser, or none at all.
UNTYPED_CHANNELS = frozenset({Channel.PUSH, Channel.IN_APP})


@dataclass(frozen=True)
class Answer:
    """What came of trying an account."""

    was_taken: bool
    text: str


def channels_to_try(kind: str) -> list[str]:
    """The channels of a kind to whose addresses a test can be sent."""
    provider = PROVIDERS.get(kind)
    names = provider.channels if provider is not None else ()
    return [name for name in names if name not in UNTYPED_CHANNELS and name in CHANNELS]


def find_config(key: str) -> ProviderConfig:
    """An account by its key, also one that is switched off or comes from the environment.

    Raises NotFound, and Conflict when its secrets cannot be read.
    """
    account = Account.objects.defer("secrets").filter(pk=key).first() if key.isdigit() else None
    if account is not None and account.kind in PROVIDERS:
        try:
            return config_of(account)
        except CannotDecrypt as error:
            raise Conflict("Its secrets cannot be read any more. Enter them anew.") from error
    found = next((config for config in all_accounts() if config.key == key), None)
    if found is None:
        raise NotFound("There is no such provider.")
    return found


def try_account(
    *, config: ProviderConfig, channel: str, address: str, actor: User, ip: str | None = None
) -> Answer:
    """Send a test message at once, past the outbox, its limits and the other accounts.

    Waits for the provider, 15 s at most; an account that works is left alone no longer.
    Raises InvalidInput for a bad channel or address.
    """
    if channel not in channels_to_try(config.kind):
        raise InvalidInput("Choose one of its channels.", fields={"channel": [channel]})
    try:
        address = clean_address(channel, address)
    except ValidationError as error:
        reasons = error.message_dict["address"]
        raise InvalidInput(reasons[0], fields={"address": reasons}) from error
    answer = _send(config, _test_page(config, channel, address, actor))
    if answer.was_taken:
        start_afresh(config=config, channel=channel, address=address)
    record_event(
        actor=actor,
        action="provider.tested",
        label=config.name,
        changes={
            "address": [None, without_path(address) if "://" in address else address],
            "answer": [None, answer.text],
        },
        ip=ip,
    )
    return answer


def _test_page(config: ProviderConfig, channel: str, address: str, actor: User) -> Page:
    return Page(
        notification_id=0,  # of no row
        claim=1,
        channel=channel,
        address=address,
        method_id=None,
        secret_token="",
        idempotency_key=uuid4(),
        maybe_duplicate=False,
        reason=Notification.Reason.TEST,
        recipient=Person(actor.pk, str(actor), actor.email, actor.time_zone),
        incident=None,
        notice=Notice(
            subject=f"Test of {config.name}",
            text=f"{actor} tries whether {config.name} works. Nothing is wrong.",
            link="",
            details={},
        ),
    )


def _send(config: ProviderConfig, page: Page) -> Answer:
    provider = PROVIDERS[config.kind]
    try:
        message = CHANNELS[page.channel].render([page])
        if not provider.serves(config, page.channel) or not provider.takes(config, message):
            return Answer(False, "This account is not set up for such a message.")
        sent = provider.send(
            message, config=config, channel=page.channel, idempotency_key=page.idempotency_key
        )
    except DeliveryError as error:
        return Answer(False, str(error))
    return Answer(True, sent.answer)
