"""What Amazon SES tells us: events that it publishes to an SNS topic, signed by SNS."""

import json
import logging

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from incidents.intake import sns
from incidents.intake.events import Unsupported
from incidents.intake.sns_client import SignatureRefused, SnsUnavailable
from notifications.providers.ses import read_event
from notifications.services.accounts import accounts_of_kind
from notifications.services.receipts import take_receipts

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def events(request: HttpRequest) -> HttpResponse:
    """Deliveries and bounces; confirms the subscription of a topic that an account names.

    Anybody may have a topic at Amazon and sign with it: only those named in an account count.
    """
    topics = {account["topic_arn"] for account in accounts_of_kind("ses")} - {""}
    message = sns.read(request.body)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        if not topics:
            raise SignatureRefused("No account names a topic.")
        async_to_sync(sns.verify)(message, headers, topics=sorted(topics))
        assert message is not None  # noqa: S101 - verified
        if message.asks_to_confirm:
            async_to_sync(sns.confirm)(message)
            return HttpResponse(status=204)
    except SignatureRefused as error:
        logger.warning("Refused an event of Amazon SES: %s", error.message)
        return HttpResponse("The signature is missing or wrong.", status=403)
    except SnsUnavailable as error:
        return HttpResponse(error.message, status=503)
    except Unsupported as error:
        logger.warning("The topic of Amazon SES was not confirmed: %s", error)
        return HttpResponse(status=204)
    _record(message)
    return HttpResponse(status=204)


def _record(message: sns.Message) -> None:
    try:
        event = json.loads(message.message)
    except (ValueError, RecursionError):
        return  # SES greets a new topic with a sentence
    receipt = read_event(event) if isinstance(event, dict) else None
    accounts = accounts_of_kind("ses")
    keys = [account.key for account in accounts if account["topic_arn"] == message.topic]
    if receipt is not None:
        take_receipts(provider_keys=keys, receipts=[receipt], now=timezone.now())


ses_patterns: list[URLPattern] = [path("ses/", events, name="ses-events")]
