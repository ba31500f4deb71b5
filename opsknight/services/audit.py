"""The audit log: who changed what, and who signed in. Written in the transaction of the change."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, ForeignKey, Model

from opsknight.models import AuditEntry, User
from opsknight.models.fields import EncryptedTextField

# {"field": [before, after]}, ready for JSON; None where there was or is nothing.
Changes: TypeAlias = dict[str, list[Any]]

MASK = "•••"
# Names of fields that hold a secret; an encrypted field is one under any name.
SECRET_NAMES = frozenset({"key", "password", "secret", "token", "token_hash"})
LABEL_LENGTH = 320


def record_change(
    *,
    actor: User | None,
    action: str,
    entity: Model,
    changes: Changes | None = None,
    ip: str | None = None,
) -> AuditEntry:
    """Write that `entity` was changed; `action` reads "service.created", `actor` None: the system.

    Call it before the deletion of `entity`, while it still has its key.
    """
    return AuditEntry.objects.create(
        actor=actor,
        actor_label=label_of(actor),
        action=action,
        entity_type=entity._meta.label_lower,
        entity_id=str(entity.pk),
        entity_label=str(entity)[:LABEL_LENGTH],
        changes=changes or {},
        ip=ip,
    )


def record_event(
    *,
    actor: User | None,
    action: str,
    label: str = "",
    ip: str | None = None,
    changes: Changes | None = None,
) -> AuditEntry:
    """Write that something happened which changed no object, such as "login.failed"."""
    return AuditEntry.objects.create(
        actor=actor,
        actor_label=label_of(actor),
        action=action,
        entity_label=label[:LABEL_LENGTH],
        changes=changes or {},
        ip=ip,
    )


def label_of(actor: User | None) -> str:
    """How the log names a person after the account is gone; empty for the system."""
    return f"{actor.name} <{actor.email}>"[:LABEL_LENGTH] if actor else ""


def values_of(entity: Model, fields: Iterable[str]) -> dict[str, Any]:
    """The present values of some fields, to be handed to `changes_of` after the change."""
    return {name: _field(entity, name).value_from_object(entity) for name in fields}


def changes_of(before: Mapping[str, Any] | None, after: Model, fields: Iterable[str]) -> Changes:
    """What differs between `before` (None: it is new) and `after`, readable, secrets masked.

    `before` holds values as `values_of` gives them. Costs a query per changed foreign key.
    """
    changes: Changes = {}
    for name in fields:
        field = _field(after, name)
        old = before.get(name) if before is not None else None
        new = field.value_from_object(after)
        if old == new or (before is None and new in (None, "", [], {})):
            continue
        changes[name] = [readable(field, old), readable(field, new)]
    return changes


def readable(field: "Field[Any, Any] | None", value: Any) -> Any:
    """A value as the log shows it: masked where secret, the name instead of a foreign key."""
    if value is None or value == "":
        return value
    if field is not None and is_secret(field):
        return MASK
    if isinstance(value, Model):
        return str(value)
    if field is not None and field.name == "address" and "://" in str(value):
        return without_path(str(value))
    if isinstance(field, ForeignKey):
        model: Any = field.related_model
        related = model._base_manager.filter(pk=value).first()
        return str(related) if related is not None else f"#{value}"
    return value


def without_path(url: str) -> str:
    """Where a web address leads, without its path: that of a webhook often holds a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}/…"


def is_secret(field: "Field[Any, Any]") -> bool:
    """Whether the values of a field must never be shown."""
    return isinstance(field, EncryptedTextField) or field.name in SECRET_NAMES


def _field(entity: Model, name: str) -> "Field[Any, Any]":
    field = entity._meta.get_field(name)
    if not isinstance(field, Field):
        raise FieldDoesNotExist(f"{entity._meta.label}.{name} is not a column.")
    return field
