"""Saves configuration: checked by its model, written with its audit entry, or not at all."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import Model

from opsknight.errors import InvalidInput, NotFound
from opsknight.models import User
from opsknight.services.audit import Changes, changes_of, record_change, values_of

WHOLE = "body"  # names what is wrong with an object as a whole


def check(entity: Model, *, exclude: Iterable[str] = ()) -> None:
    """Let the model validate itself; raises InvalidInput with the reasons by field."""
    try:
        entity.full_clean(exclude=set(exclude))
    except ValidationError as error:
        raise invalid(
            {
                name if name != NON_FIELD_ERRORS else WHOLE: list(texts)
                for name, texts in error.message_dict.items()
            }
        ) from error


def invalid(fields: dict[str, list[str]]) -> InvalidInput:
    """The error that names every field and its reasons."""
    if len(fields) == 1:
        name, reasons = next(iter(fields.items()))
        return InvalidInput(f"{name}: {reasons[0]}", fields=fields)
    return InvalidInput(f"Check these: {', '.join(list(fields)[:10])}.", fields=fields)


def save_new(
    *,
    entity: Model,
    fields: Iterable[str],
    action: str,
    actor: User | None,
    ip: str | None = None,
    extra: Callable[[], Changes] | None = None,
) -> None:
    """Check and insert `entity`, with one audit entry.

    `extra` writes what belongs to it in other tables, and says what that adds to the entry.
    """
    check(entity)
    with transaction.atomic():
        entity.save(force_insert=True)
        changes = changes_of(None, entity, fields) | (extra() if extra else {})
        record_change(actor=actor, action=action, entity=entity, changes=changes, ip=ip)


def save_changes(
    *,
    entity: Model,
    values: Mapping[str, Any],
    action: str,
    actor: User | None,
    ip: str | None = None,
    extra: Callable[[], Changes] | None = None,
) -> Changes:
    """Set `values` on `entity`, check and save it; without a difference nothing is written.

    Returns what changed. Raises InvalidInput with the fields, NotFound when it was deleted
    meanwhile.

    `extra` writes what belongs to it in other tables, and says what that adds to the entry.
    """
    before = values_of(entity, values)
    for name, value in values.items():
        setattr(entity, name, value)
    check(entity)
    with transaction.atomic():
        _lock(entity)
        changes = changes_of(before, entity, values)
        if changes:
            entity.save(update_fields=list(changes))
        changes |= extra() if extra else {}
        if changes:
            record_change(actor=actor, action=action, entity=entity, changes=changes, ip=ip)
    return changes


def _lock(entity: Model) -> None:
    """Let two editors wait in line; raises NotFound when somebody has deleted it."""
    rows = type(entity)._base_manager.select_for_update(of=("self",)).filter(pk=entity.pk)
    if rows.only("pk").first() is None:
        raise NotFound(f"{entity} was deleted meanwhile.")


def record_deletion(
    *, entity: Model, fields: Iterable[str], action: str, actor: User | None, ip: str | None = None
) -> None:
    """Note in the audit log what `entity` was; the caller deletes it in the same transaction."""
    was = changes_of(None, entity, fields)
    changes: Changes = {name: [old, None] for name, (_, old) in was.items()}
    record_change(actor=actor, action=action, entity=entity, changes=changes, ip=ip)


@transaction.atomic
def delete_recorded(
    *, entity: Model, fields: Iterable[str], action: str, actor: User | None, ip: str | None = None
) -> None:
    """Delete `entity`; the audit entry keeps what it was."""
    record_deletion(entity=entity, fields=fields, action=action, actor=actor, ip=ip)
    entity.delete()
