"""In which order pages of a channel go out: lower turns first, then the longest due."""

from notifications.models import Notification

# The first page of a service in a pass of the engine, and whatever somebody waits for.
FIRST = 0
VERIFICATION = 1
TEST = 2
ON_CALL = 3
# Further pages of the same service: a storm on one does not hold back the pages of another.
MORE = 4
# What nobody has to act on: status updates, digests, events.
STATUS = 30_000

_OF_REASON = {
    Notification.Reason.VERIFICATION: VERIFICATION,
    Notification.Reason.TEST: TEST,
    Notification.Reason.ON_CALL: ON_CALL,
    Notification.Reason.STATUS: STATUS,
    Notification.Reason.DIGEST: STATUS,
    Notification.Reason.EVENT: STATUS,
}


def turn_of(reason: str, place_in_line: int = 0) -> int:
    """The turn of a page or a notice.

    `place_in_line`: how many incidents of the same service are paged before it.
    """
    fixed = _OF_REASON.get(Notification.Reason(reason))
    if fixed is not None:
        return fixed
    return FIRST if place_in_line == 0 else min(MORE + place_in_line - 1, STATUS - 1)
