"""Two people edit the same thing: the second is told, and loses nothing."""

from datetime import datetime

from opsknight.errors import Conflict, NotFound
from opsknight.models import User, VersionedModel


class SavedMeanwhile(Conflict):
    """Somebody else saved this since it was opened."""

    code = "saved_meanwhile"


def lock_version(*, entity: VersionedModel, expected: int | None) -> None:
    """Lock `entity` until the transaction ends, and read it anew.

    Raises SavedMeanwhile, which says who saved it when, unless it is the `expected` version (None:
    any), and NotFound when it was deleted. The lock lets rows that point at it be added.
    """
    manager = type(entity)._base_manager
    rows = manager.select_for_update(of=("self",), no_key=True).select_related("saved_by")
    stored = rows.filter(pk=entity.pk).first()
    if stored is None:
        raise NotFound(f"{entity} was deleted meanwhile.")
    if expected is not None and stored.version != expected:
        who = stored.saved_by or "Somebody"
        raise SavedMeanwhile(
            f"{who} saved {stored} at {stored.saved_at:%Y-%m-%d %H:%M} UTC, after you opened it. "
            "Load it again, look at what changed, and make your change once more.",
            fields={"version": [f"It is {stored.version} now."]},
        )
    for field in entity._meta.concrete_fields:
        setattr(entity, field.attname, getattr(stored, field.attname))


def count_version(*, entity: VersionedModel, actor: User | None, now: datetime) -> None:
    """Note that `entity`, locked by `lock_version`, was saved: whoever has it open is told."""
    entity.version += 1
    entity.saved_at, entity.saved_by = now, actor
    entity.save(update_fields=["version", "saved_at", "saved_by"])
