"""What the answer of a provider's API means for a message, its address and the provider."""

import re

from notifications.channels.base import DeliveryError
from notifications.channels.email import one_line
from notifications.providers.answers import TRANSIENT_STATUSES, patience
from notifications.providers.http import ApiAnswer

# Our own key is wrong, was withdrawn, or may not do this: the message and the address are fine.
CREDENTIAL_STATUSES = frozenset({401, 403})
MAX_REASON_LENGTH = 200
MAX_READ_LENGTH = 10 * MAX_REASON_LENGTH
_URL = re.compile(r"\bhttps?://\S+", re.IGNORECASE)
_MAIL = re.compile(r"[^\s<>@:;,()\[\]]{1,64}@[^\s<>@:;,()\[\]]{1,255}")


def check_api_answer(answer: ApiAnswer, *, who: str, reason: str = "") -> None:
    """Raise DeliveryError unless the status is 2xx; `reason` is what the provider said itself.

    Refused credentials, limits of the whole account and errors of the server are the provider's;
    everything else is permanent and no fault of the address.
    """
    if 200 <= answer.status < 300:
        return
    raise refusal(answer, who=who, reason=reason)


def refusal(answer: ApiAnswer, *, who: str, reason: str = "") -> DeliveryError:
    """The error that a status other than 2xx means."""
    said = plain_reason(reason)
    text = f"{who} answered {answer.status}{': ' if said else ''}{said.rstrip('.')}."
    status = answer.status
    if status in CREDENTIAL_STATUSES:
        return DeliveryError(text, provider_is_down=True)
    if status >= 500 or status in TRANSIENT_STATUSES:
        return DeliveryError(text, retry_after=patience(answer.retry_after), provider_is_down=True)
    return DeliveryError(text, permanent=True)


def unclear_answer(answer: ApiAnswer, *, who: str) -> DeliveryError:
    """It answered 2xx, but not as documented: nobody knows whether it has the message."""
    return DeliveryError(
        f"{who} answered {answer.status}, but nothing that can be understood.",
        may_have_arrived=True,
        provider_is_down=True,
    )


def plain_reason(text: object) -> str:
    """What a provider said, in one line, shortened, without addresses of pages and of people.

    It is shown to all who may see the incident, and whose address it was to its person alone.
    """
    line = one_line(str(text or "")[:MAX_READ_LENGTH])
    return _MAIL.sub("…", _URL.sub("…", line))[:MAX_REASON_LENGTH]
