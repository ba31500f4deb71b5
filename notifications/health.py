"""Whether pages may go to a contact method, and why not. Pure."""

from datetime import datetime
from enum import StrEnum


class Health(StrEnum):
    """What stands between a contact method and its use; the first of these that applies."""

    USABLE = "usable"
    BROKEN = "broken"  # its provider refused the address for good
    STOPPED = "stopped"  # its owner answered STOP
    UNVERIFIED = "unverified"  # nobody proved yet whose it is
    OFF = "off"  # its owner switched it off

    @property
    def words(self) -> str:
        """Why nothing goes there, as the end of a sentence; empty when something does."""
        return WORDS[self]


WORDS = {
    Health.USABLE: "",
    Health.BROKEN: "it was refused for good and is switched off",
    Health.STOPPED: "its owner answered STOP",
    Health.UNVERIFIED: "it is not verified",
    Health.OFF: "its owner switched it off",
}


def health_of(
    *,
    enabled: bool,
    broken_reason: str,
    stopped_at: datetime | None,
    verified_at: datetime | None,
) -> Health:
    """What the columns of a contact method come to."""
    if not enabled:
        return Health.BROKEN if broken_reason else Health.OFF
    if stopped_at is not None:
        return Health.STOPPED
    return Health.UNVERIFIED if verified_at is None else Health.USABLE
