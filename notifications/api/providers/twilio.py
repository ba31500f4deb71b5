"""What Twilio tells us: what became of messages and calls, replies, and keys in calls.

Every request is a form, signed with the account's token (X-Twilio-Signature) over the address that
Twilio was given, which begins with OPSKNIGHT_URL. See docs/how-to/twilio.md.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse

from notifications.providers.base import ProviderConfig
from notifications.providers.twilio_errors import call_receipt, message_receipt
from notifications.providers.twilio_voice import Menu, read_call, twiml
from notifications.services.accounts import accounts_of_kind
from notifications.services.phone_calls import press_key
from notifications.services.receipts import take_receipts
from notifications.services.replies import answer_reply

logger = logging.getLogger(__name__)

P = ParamSpec("P")
MAX_TEXT_LENGTH = 1600
# What Twilio's own opt-out took for one of these is one, whatever the words were.
OPT_OUTS = ("STOP", "START", "HELP")


def signed(
    view: Callable[Concatenate[HttpRequest, list[ProviderConfig], P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Let a view be called by Twilio alone; it gets the accounts that may have signed.

    403 for everybody else, and for an account that we do not use.
    """

    @csrf_exempt
    @require_POST
    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        accounts = [a for a in accounts_of_kind("twilio") if _signed_by(request, a)]
        if not accounts:
            logger.warning("Refused an unsigned or forged call of Twilio at %s.", request.path)
            return HttpResponse("The signature is missing or wrong.", status=403)
        return view(request, accounts, *args, **kwargs)

    return checked


def _signed_by(request: HttpRequest, account: ProviderConfig) -> bool:
    if not account["auth_token"] or request.POST.get("AccountSid") != account["account_sid"]:
        return False
    address = f"{settings.PUBLIC_URL}{request.get_full_path()}"
    signature = request.headers.get("X-Twilio-Signature", "")
    validator = RequestValidator(account["auth_token"])
    return bool(validator.validate(address, request.POST, signature))


@signed
def status(request: HttpRequest, accounts: list[ProviderConfig]) -> HttpResponse:
    """What became of a message or a call."""
    form = request.POST
    if call_id := form.get("CallSid"):
        receipt = call_receipt(call_id, form.get("CallStatus", ""), form.get("ErrorCode"))
    else:
        receipt = message_receipt(
            form.get("MessageSid", ""), form.get("MessageStatus", ""), form.get("ErrorCode")
        )
    take_receipts(
        provider_keys=[account.key for account in accounts],
        receipts=[receipt],
        now=timezone.now(),
    )
    return HttpResponse(status=204)


@signed
def message(request: HttpRequest, accounts: list[ProviderConfig]) -> HttpResponse:
    """Somebody answers by SMS, RCS or WhatsApp; the answer to that is spoken in TwiML."""
    form = request.POST
    prefix, _, number = form.get("From", "").rpartition(":")
    opt_out = form.get("OptOutType", "").upper()
    text = opt_out if opt_out in OPT_OUTS else form.get("Body", "")
    answer = answer_reply(
        channel="whatsapp" if prefix == "whatsapp" else "sms",
        address=number,
        text=text[:MAX_TEXT_LENGTH].replace("\x00", ""),
        message_id=form.get("MessageSid", ""),
        now=timezone.now(),
    )
    response = MessagingResponse()
    if answer and not opt_out:  # Twilio has answered those itself
        response.message(answer)
    return _xml(str(response))


@signed
def call(request: HttpRequest, accounts: list[ProviderConfig], token: str) -> HttpResponse:
    """Somebody pressed a key."""
    menu: Menu = "stop" if request.GET.get("menu") == "stop" else "main"
    step = press_key(
        notification_ids=read_call(token),
        call_id=request.POST.get("CallSid", ""),
        key=request.POST.get("Digits", ""),
        menu=menu,
        now=timezone.now(),
    )
    action = f"{settings.PUBLIC_URL}{reverse('twilio-call', args=[token])}"
    if step.menu == "stop":
        action += "?menu=stop"
    language = accounts[0]["language"]
    return _xml(twiml(step.words, menu=step.menu, action=action, language=language))


def _xml(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="text/xml")


twilio_patterns: list[URLPattern] = [
    path("twilio/status/", status, name="twilio-status"),
    path("twilio/messages/", message, name="twilio-message"),
    path("twilio/calls/<str:token>/", call, name="twilio-call"),
]
