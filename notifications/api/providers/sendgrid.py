"""What SendGrid tells us: the signed event webhook.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
import binascii
import json
import logging

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifications.providers.sendgrid import read_event
from notifications.services.accounts import accounts_of_kind
from notifications.services.receipts import take_receipts

logger = logging.getLogger(__name__)

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"


@csrf_exempt
@require_POST
def events(request: HttpRequest) -> HttpResponse:
    """Deliveries and bounces. A repetition, however late, changes nothing: no age is checked."""
    keys = [
        account.key
        for account in accounts_of_kind("sendgrid")
        if _is_signed(request, account["webhook_public_key"])
    ]
    if not keys:
        logger.warning("Refused events of SendGrid that are not signed as theirs.")
        return HttpResponse("The signature is missing or wrong.", status=403)
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError):
        return HttpResponse("This is no JSON.", status=400)
    said = [read_event(event) for event in _list_of(found) if isinstance(event, dict)]
    receipts = [receipt for receipt in said if receipt is not None]
    take_receipts(provider_keys=keys, receipts=receipts, now=timezone.now())
    return HttpResponse(status=204)


def _list_of(found: object) -> list[object]:
    return found if isinstance(found, list) else []


def _is_signed(request: HttpRequest, public_key: str) -> bool:
    """Whether the holder of the key signed the time stamp and the body."""
    if not public_key:
        return False
    try:
        key = load_der_public_key(base64.b64decode(public_key))
        signature = base64.b64decode(request.headers.get(SIGNATURE, ""), validate=True)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        signed = request.headers.get(TIMESTAMP, "").encode() + request.body
        key.verify(signature, signed, ec.ECDSA(SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, binascii.Error, ValueError):
        return False
    return True


sendgrid_patterns: list[URLPattern] = [path("sendgrid/", events, name="sendgrid-events")]
