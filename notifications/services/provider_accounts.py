"""Accounts at providers: entering, changing and deleting them. Changes are audited."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, TypedDict

from django.db import transaction

from notifications.models import Provider as Account
from notifications.providers import PROVIDERS
from notifications.services.accounts import forget_accounts
from notifications.services.fresh_starts import start_corrected
from opsknight.encryption import CannotDecrypt
from opsknight.errors import InvalidInput, NotFound
from opsknight.models import User
from opsknight.services.audit import MASK, Changes, changes_of, record_change, values_of

COLUMNS = ("name", "position", "enabled", "per_minute")
# The fields that say where secrets are sent, and whether others can read them on the way.
LEADING_FIELDS = ("api_url", "lookup_url", "host", "port", "security")
ENTER_AGAIN = "Enter it again: what is stored was meant for another address."


class AccountValues(TypedDict):
    """Everything about an account but its kind."""

    name: str
    position: int
    enabled: bool
    per_minute: int | None
    settings: Mapping[str, str]  # plain fields, without the empty ones
    secrets: Mapping[str, str]  # those that were entered; empty: to be removed


def create_account(
    *, kind: str, values: AccountValues, actor: User, ip: str | None = None
) -> Account:
    """Enter an account; in use within seconds. Raises InvalidInput for an unknown kind."""
    if kind not in PROVIDERS:
        raise InvalidInput("There is no such kind of provider.", fields={"kind": [kind]})
    account = Account(kind=kind)
    changes = _set(account, values, {})
    with transaction.atomic():
        account.save(force_insert=True)
        changes = {"kind": [None, kind]} | changes_of(None, account, COLUMNS) | changes
        record_change(
            actor=actor, action="provider.created", entity=account, changes=changes, ip=ip
        )
        transaction.on_commit(forget_accounts, robust=True)
    return account


def update_account(
    *, pk: int, values: AccountValues, actor: User, ip: str | None = None
) -> Account:
    """Change an account; secrets that were not entered stay, unless it leads elsewhere now.

    Also without a change it is tried anew at once, whatever it was left alone for.
    Raises NotFound, and InvalidInput with the secrets that must be entered again.
    """
    with transaction.atomic():
        account = Account.objects.select_for_update().defer("secrets").filter(pk=pk).first()
        if account is None:
            raise NotFound("This provider was deleted meanwhile.")
        before = values_of(account, COLUMNS)
        secrets = stored_secrets(account) or {}
        if missing := secrets_to_enter_again(account, values, secrets):
            raise InvalidInput(ENTER_AGAIN, fields={name: [ENTER_AGAIN] for name in missing})
        transaction.on_commit(
            partial(start_corrected, key=account.key, kind=account.kind), robust=True
        )
        changes = _set(account, values, secrets)
        changes = changes_of(before, account, COLUMNS) | changes
        if not changes:
            return account
        account.save(update_fields=[*COLUMNS, "settings", "secrets", "updated_at"])
        record_change(
            actor=actor, action="provider.updated", entity=account, changes=changes, ip=ip
        )
        transaction.on_commit(forget_accounts, robust=True)
    return account


@transaction.atomic
def delete_account(*, account: Account, actor: User, ip: str | None = None) -> None:
    """Forget an account. What it has sent stays in the log; reports about it are not read."""
    record_change(
        actor=actor,
        action="provider.deleted",
        entity=account,
        changes={"kind": [account.kind, None], "name": [account.name, None]},
        ip=ip,
    )
    Account.objects.filter(pk=account.pk).delete()
    transaction.on_commit(forget_accounts, robust=True)


def stored_secrets(account: Account) -> dict[str, str] | None:
    """The secret fields, plain; None when the key that encrypted them was lost."""
    try:
        return account.secret_values()
    except CannotDecrypt:
        return None


def secrets_to_enter_again(
    account: Account, values: AccountValues, secrets: Mapping[str, str]
) -> list[str]:
    """The stored secrets that would go to another address without having been entered for it.

    They are written and never read: who may change an account must not learn them by letting it
    lead to a machine of their own.
    """
    was, now = dict(account.settings), values["settings"]
    defaults = {field.name: field.default for field in PROVIDERS[account.kind].fields}
    leads_elsewhere = any(
        (was.get(name) or defaults.get(name, "")) != (now.get(name) or defaults.get(name, ""))
        for name in LEADING_FIELDS
    )
    return sorted(secrets.keys() - values["secrets"].keys()) if leads_elsewhere else []


def _set(account: Account, values: AccountValues, secrets: Mapping[str, str]) -> Changes:
    """Put the values on the account; returns what that changes beside its columns."""
    columns: Mapping[str, Any] = values
    for name in COLUMNS:
        setattr(account, name, columns[name])
    entered = {**secrets, **values["secrets"]}
    kept = {name: text for name, text in entered.items() if text}
    was, now = dict(account.settings), dict(values["settings"])
    changes: Changes = {
        name: [was.get(name), now.get(name)]
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    }
    for name in values["secrets"]:
        if secrets.get(name) != kept.get(name):
            changes[name] = [secrets.get(name) and MASK, kept.get(name) and MASK]
    account.settings = now
    account.secrets = json.dumps(kept) if kept else ""
    return changes
