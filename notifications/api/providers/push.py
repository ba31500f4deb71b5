"""What browsers tell us: that they have shown a push message.

The address is signed, and was sent inside the encrypted message (notifications/push_receipts.py).
"""

import logging

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifications.providers.base import Receipt
from notifications.push_receipts import read_receipt
from notifications.services.accounts import accounts_of_kind
from notifications.services.receipts import take_receipts
from opsknight.errors import NotFound

logger = logging.getLogger(__name__)


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


push_patterns: list[URLPattern] = [path("push/<str:token>/", shown, name="push-shown")]
