"""Which pages become one message, and when: pure decisions.

The first page of a service to an address goes at once. Those that follow soon are gathered: for a
second, then for twice as long each time while they keep coming. Pages of another service never
wait.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from notifications.channels.base import Page
from notifications.models import Notification

FIRST_WINDOW = 1.0  # seconds
MAX_PAGES = 100  # of one message


@dataclass(frozen=True)
class BundleKey:
    """Pages with the same may go out as one message."""

    channel: str
    address: str
    is_for_place: bool
    recipient_id: int
    service_id: int

    def __str__(self) -> str:
        sort = "place" if self.is_for_place else "person"
        return f"{self.channel}:{sort}:{self.recipient_id}:{self.service_id}:{self.address}"


@dataclass(frozen=True)
class Window:
    """The last message to a key."""

    sent_at: float  # seconds of the epoch
    seconds: float  # for which what follows is gathered

    @property
    def ends_at(self) -> float:
        return self.sent_at + self.seconds


def key_of(page: Page) -> BundleKey | None:
    """What it may be gathered by; None: it is always a message of its own."""
    if page.incident is None or page.reason != Notification.Reason.ESCALATION or page.cannot_send:
        return None
    return BundleKey(
        page.channel,
        page.address,
        page.is_for_place,
        page.recipient.id,
        page.incident.service_id,
    )


def gather(pages: Iterable[Page]) -> list[list[Page]]:
    """Parcels, each of which becomes one message; in the order of their first pages.

    Pages that may have arrived already stay among those with which they went out.
    """
    parcels: list[list[Page]] = []
    open_parcels: dict[object, list[Page]] = {}
    for page in pages:
        key = key_of(page)
        group = (key, page.bundle if page.maybe_duplicate else None, page.maybe_duplicate)
        parcel = open_parcels.get(group) if key is not None else None
        if parcel is None or len(parcel) >= MAX_PAGES:
            parcel = []
            parcels.append(parcel)
            open_parcels[group] = parcel
        parcel.append(page)
    return parcels


def bundle_id(pages: Sequence[Page]) -> UUID:
    """The idempotency key of a message: of one page its own, of several the same for the same."""
    first, *others = sorted(page.idempotency_key for page in pages)
    return uuid5(first, ",".join(str(key) for key in others)) if others else first


def next_window(last: Window | None, *, now: float, longest: float) -> Window | None:
    """The window that a message opens that goes out now; None: it waits until `last.ends_at`."""
    # A window far in the future was opened by a clock that has been set back.
    if last is None or now >= last.ends_at + last.seconds or last.sent_at > now + longest:
        return Window(now, min(FIRST_WINDOW, longest))
    if now < last.ends_at:
        return None
    return Window(now, min(last.seconds * 2, longest))
