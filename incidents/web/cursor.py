"""Pages of a list that stay right while new incidents arrive: by position, not by number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet

from incidents.filters import read_id
from incidents.models import Incident

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = 253_402_300_799_000_000  # the end of the year 9999, in microseconds


@dataclass(frozen=True)
class Page:
    """A stretch of the list, newest first, and the positions of its neighbours."""

    incidents: Sequence[Incident]
    newer: str  # cursor of the page before; empty: this is the first
    older: str  # cursor of the page after; empty: this is the last
    is_first: bool


def page_of(incidents: QuerySet[Incident], query: Mapping[str, str], size: int) -> Page:
    """The page that an address asks for (`older=…` or `newer=…`); one query."""
    older, newer = _read(query.get("older", "")), _read(query.get("newer", ""))
    if newer is not None:
        return _page_before(incidents, newer, size)
    if older is not None:
        at, pk = older
        incidents = incidents.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=pk))
    found = list(incidents.order_by("-created_at", "-id")[: size + 1])
    shown, has_more = found[:size], len(found) > size
    return Page(
        incidents=shown,
        newer=_write(shown[0]) if older is not None and shown else "",
        older=_write(shown[-1]) if has_more else "",
        is_first=older is None,
    )


def _page_before(incidents: QuerySet[Incident], position: tuple[datetime, int], size: int) -> Page:
    at, pk = position
    incidents = incidents.filter(Q(created_at__gt=at) | Q(created_at=at, pk__gt=pk))
    found = list(incidents.order_by("created_at", "id")[: size + 1])
    shown, has_more = found[:size][::-1], len(found) > size
    return Page(
        incidents=shown,
        newer=_write(shown[0]) if has_more else "",
        older=_write(shown[-1]) if shown else "",
        is_first=not has_more,
    )


def _write(incident: Incident) -> str:
    return f"{(incident.created_at - EPOCH) // timedelta(microseconds=1)}-{incident.pk}"


def _read(text: str) -> tuple[datetime, int] | None:
    """A position; None when it is not one of ours."""
    at, _, pk = text.partition("-")
    moment, number = read_id(at), read_id(pk)
    if moment is None or number is None or moment > LATEST:
        return None
    return EPOCH + timedelta(microseconds=moment), number
