"""What Resend tells us: webhooks signed as Svix does.

https://docs.svix.com/receiving/verifying-payloads/how-manual
"""

import base64
import hashlib
import hmac
import json
import logging
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifications.providers.resend import read_event
from notifications.services.accounts import accounts_of_kind
from notifications.services.receipts import take_receipts

logger = logging.getLogger(__name__)

MAX_AGE = timedelta(minutes=5)  # every attempt is signed anew


@csrf_exempt
@require_POST
def events(request: HttpRequest) -> HttpResponse:
    """Deliveries and bounces, one at a time."""
    now = timezone.now()
    keys = [
        account.key
        for account in accounts_of_kind("resend")
        if _is_signed(request, account["webhook_secret"], now)
    ]
    if not keys:
        logger.warning("Refused an event of Resend that is not signed as theirs.")
        return HttpResponse("The signature is missing, wrong or too old.", status=403)
    try:
        event = json.loads(request.body)
    except (ValueError, RecursionError):
        return HttpResponse("This is no JSON.", status=400)
    receipt = read_event(event) if isinstance(event, dict) else None
    if receipt is not None:
        take_receipts(provider_keys=keys, receipts=[receipt], now=now)
    return HttpResponse(status=204)


def _is_signed(request: HttpRequest, secret: str, now: datetime) -> bool:
    """Whether one of the signatures is the secret's, over number, time stamp and body."""
    stamp = request.headers.get("svix-timestamp", "")
    if not secret or not _is_recent(stamp, now):
        return False
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"))
    except ValueError:  # also of letters that are no ASCII
        return False
    if not key:
        return False
    number = request.headers.get("svix-id", "")
    signed = f"{number}.{stamp}.".encode() + request.body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    given = request.headers.get("svix-signature", "").split()
    return any(
        version == "v1" and hmac.compare_digest(expected, signature.encode())
        for version, _, signature in (entry.partition(",") for entry in given)
    )


def _is_recent(stamp: str, now: datetime) -> bool:
    if not (stamp.isascii() and stamp.isdigit()):
        return False
    return abs(now.timestamp() - int(stamp[:15])) <= MAX_AGE.total_seconds()


resend_patterns: list[URLPattern] = [path("resend/", events, name="resend-events")]
