"""What names a destination: apps above this one say so here, and thereby keep it from deletion."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from notifications.models import Destination


@dataclass(frozen=True)
class Use:
    """One thing that pages a destination."""

    name: str  # "the policy Checkout"
    url: str  # its page


Finder: TypeAlias = Callable[[Destination], list[Use]]

_finders: list[Finder] = []


def register(finder: Finder) -> None:
    """Let an app name its uses of a destination; called once, when the app is ready."""
    if finder not in _finders:
        _finders.append(finder)


def uses_of(destination: Destination) -> list[Use]:
    """Everything that pages the destination."""
    return [use for finder in _finders for use in finder(destination)]
