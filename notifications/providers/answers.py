"""What the answer of an HTTP service means for a message."""

from collections.abc import Set
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime

from django.utils import timezone

from notifications.channels.base import DeliveryError

# "Try again": everything else from 300 to 499 will not become better by itself.
TRANSIENT_STATUSES = frozenset({408, 425, 429})
# What says by its nature that the address is dead. All else may be repaired at the other side: a
# gateway that forgot its credentials, an application that is being deployed.
GONE = frozenset({410})
MAX_PATIENCE = timedelta(minutes=15)


def check_answer(status: int, retry_after: str, *, gone: Set[int] = GONE) -> None:
    """Raise DeliveryError unless the status is 2xx; `gone` are those that break the address.

    The answer's text is never shown to anybody.
    """
    if 200 <= status < 300:
        return
    if status >= 500 or status in TRANSIENT_STATUSES:
        raise DeliveryError(
            f"Answered {status}.",
            retry_after=patience(retry_after),
            provider_is_down=status >= 500,
        )
    hint = " Redirects are not followed: enter the final address." if status < 400 else ""
    raise DeliveryError(
        f"Answered {status}.{hint}",
        permanent=True,
        breaks_address=status in gone,
    )


def patience(retry_after: str) -> timedelta | None:
    """Read Retry-After, seconds or a date; None when it is missing or nonsense.

    Never longer than MAX_PATIENCE: a page that comes later than that is of no use.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), MAX_PATIENCE)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    left = (at if at.tzinfo else at.replace(tzinfo=UTC)) - timezone.now()
    return min(max(left, timedelta()), MAX_PATIENCE)
