"""Which accounts at providers there are, in the order in which they are asked."""

import logging
import threading
import time

from django.conf import settings

from notifications.models import Provider as Account
from notifications.providers import PROVIDERS
from notifications.providers.base import Provider, ProviderConfig
from opsknight.encryption import CannotDecrypt

logger = logging.getLogger(__name__)

# A change in the admin is in use everywhere after this long.
REMEMBERED_SECONDS = 5.0

_lock = threading.Lock()
_read_at = float("-inf")
_entered: tuple[ProviderConfig, ...] = ()


def accounts_for(channel: str) -> tuple[ProviderConfig, ...]:
    """The accounts that can carry messages of the channel, first choice first; empty: sandbox.

    Those that administrators entered, then those of the environment, then what needs no account.
    Of a kind that can have one only, the first. A query every REMEMBERED_SECONDS.
    """
    found: list[ProviderConfig] = []
    for config in _all():
        provider = PROVIDERS[config.kind]
        is_second = provider.only_one and any(one.kind == config.kind for one in found)
        if provider.serves(config, channel) and not is_second:
            found.append(config)
    return tuple(found)


def account_beside(account: Account) -> Account | None:
    """The account in use that a kind has already, where it can have one only."""
    if account.kind not in PROVIDERS or not PROVIDERS[account.kind].only_one:
        return None
    return Account.objects.filter(kind=account.kind, enabled=True).exclude(pk=account.pk).first()


def accounts_of_kind(kind: str) -> tuple[ProviderConfig, ...]:
    """All accounts at one kind of provider, first choice first."""
    return tuple(config for config in _all() if config.kind == kind)


def all_accounts() -> tuple[ProviderConfig, ...]:
    """Every account that is in use, of whatever kind."""
    return _all()


def environment_accounts() -> list[ProviderConfig]:
    """The accounts that come from the environment and are complete."""
    return _from_environment()


def find_account(key: str) -> ProviderConfig | None:
    """The account with this key, if it still exists and is switched on."""
    return next((config for config in _all() if config.key == key), None)


def forget_accounts() -> None:
    """Read them anew next time, because they were changed in this process."""
    global _read_at
    _read_at = float("-inf")


def config_of(account: Account) -> ProviderConfig:
    """The account ready for use; raises CannotDecrypt."""
    given = account.settings | account.secret_values()
    values = _defaults(PROVIDERS[account.kind])
    if api_url := settings.PROVIDERS_FROM_ENV.get(account.kind, {}).get("api_url"):
        values["api_url"] = api_url
    values |= {name: str(value) for name, value in given.items() if value}
    return ProviderConfig(account.key, account.kind, account.name, values, account.per_minute)


def _all() -> tuple[ProviderConfig, ...]:
    return (*_read_entered(), *_from_environment(), *_built_in())


def _read_entered() -> tuple[ProviderConfig, ...]:
    global _read_at, _entered
    with _lock:
        if time.monotonic() - _read_at > REMEMBERED_SECONDS:
            found = Account.objects.filter(enabled=True, kind__in=PROVIDERS).defer("secrets")
            _entered = tuple(c for account in found if (c := _readable(account)) is not None)
            _read_at = time.monotonic()
        return _entered


def _readable(account: Account) -> ProviderConfig | None:
    """One account whose key was lost must not keep the others from being used."""
    try:
        return config_of(account)
    except CannotDecrypt as error:
        logger.error("The provider %s is passed over: %s", account.name, error)
        return None


def _from_environment() -> list[ProviderConfig]:
    found = dict(settings.PROVIDERS_FROM_ENV)
    if settings.EMAIL_URL:
        found["smtp"] = {"url": settings.EMAIL_URL}
    return [
        ProviderConfig(f"env:{kind}", kind, provider.label, _defaults(provider) | found[kind])
        for kind, provider in PROVIDERS.items()
        if kind in found and _is_complete(provider, found[kind])
    ]


def _is_complete(provider: Provider, values: dict[str, str]) -> bool:
    """An address of an API alone is no account."""
    if "url" in values:
        return True
    needed = [f.name for f in provider.fields if f.is_required and not f.default]
    return bool(needed) and all(values.get(name) for name in needed)


def _built_in() -> list[ProviderConfig]:
    return [
        ProviderConfig(f"built-in:{kind}", kind, provider.label, {})
        for kind, provider in PROVIDERS.items()
        if provider.is_built_in
    ]


def _defaults(provider: Provider) -> dict[str, str]:
    return {field.name: field.default for field in provider.fields if field.default}
