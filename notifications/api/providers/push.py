"""What browsers tell us: that they have shown a push message, and that they have moved.

The address of a receipt is signed, and was sent inside the encrypted message
(notifications/push_receipts.py). A browser that moved proves itself by its old keys.
"""

import json
import logging
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifications.providers.base import Receipt
from notifications.push_receipts import read_receipt
from notifications.services.accounts import accounts_of_kind
from notifications.services.push_subscriptions import Subscription, move_subscription
from notifications.services.receipts import take_receipts
from opsknight.errors import InvalidInput, NotFound

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 16 * 1024
NOBODY = Subscription("", "", "")


@csrf_exempt
@require_POST
def shown(request: HttpRequest, token: str) -> HttpResponse:
    """The page has arrived; again changes nothing."""
    try:
        message_id = read_receipt(token)
    except NotFound:
        logger.warning("Refused a forged receipt of a push message.")
        return HttpResponse("The signature is missing or wrong.", status=403)
    take_receipts(
        provider_keys=[account.key for account in accounts_of_kind("web_push")],
        receipts=[Receipt(message_id=message_id, is_delivered=True)],
        now=timezone.now(),
    )
    return HttpResponse(status=204)


@csrf_exempt
@require_POST
def moved(request: HttpRequest) -> HttpResponse:
    """A browser has another subscription: JSON with `old` and `new`, as the browser says them."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
        return HttpResponse("Too large.", status=413)
    try:
        move_subscription(old=_named(request.body, "old"), new=_named(request.body, "new"))
    except NotFound:
        logger.warning("Refused to move a push subscription without its keys.")
        return HttpResponse("The keys are missing or wrong.", status=403)
    except InvalidInput:
        return HttpResponse("The new subscription is none.", status=400)
    return HttpResponse(status=204)


def _named(body: bytes, name: str) -> Subscription:
    """A subscription in the body; an empty one, which nobody has, where it cannot be read."""
    try:
        said: Any = json.loads(body)[name]
        parts = (said["endpoint"], said["keys"]["p256dh"], said["keys"]["auth"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return NOBODY
    is_text = all(isinstance(part, str) and "\x00" not in part for part in parts)
    return Subscription(*parts) if is_text else NOBODY


# The first is no token: those have a dot.
push_patterns: list[URLPattern] = [
    path("push/moved/", moved, name="push-moved"),
    path("push/<str:token>/", shown, name="push-shown"),
]
