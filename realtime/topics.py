"""What can change live, and who writes the events of it: registered by the apps that own it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LiveMessage:
    """One event for the open pages that may see it."""

    channels: tuple[str, ...]  # a page that listens to several of them gets the event once
    event: str  # the name that the page listens for
    data: Mapping[str, Any]  # sent as JSON


Render = Callable[[list[int]], list[LiveMessage]]

# With more changed at once than BULK, a page is told to fetch itself again instead: the event of
# that hint, per topic. Topics that are not here are always rendered.
BULK = 25
BULK_EVENTS = {"incident": "incidents"}

_renders: dict[str, Render] = {}


def register(topic: str, render: Render) -> None:
    """Let `render` write the events of a topic; called from the owning app's `ready()`.

    `render(ids)` runs once per change and process, in a thread, whoever listens: it decides by
    channel who sees what. Its queries must not grow with the number of ids. Ids that are gone are
    left out.
    """
    _renders[topic] = render


def render(topic: str, ids: list[int]) -> list[LiveMessage]:
    """The events of a change; none for a topic that nobody registered."""
    registered = _renders.get(topic)
    return registered(ids) if registered else []


def bulk_event(topic: str, count: int) -> str | None:
    """The hint that replaces the events of `count` changes, or None when they are few enough."""
    return BULK_EVENTS.get(topic) if count > BULK else None
