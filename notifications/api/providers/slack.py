"""What Slack tells us: presses of buttons.

A form with `payload`, JSON, signed with the app's signing secret over time and body.
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload/
"""

import json
import logging
from typing import Any, cast, get_args
from urllib.parse import parse_qs, urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from slack_sdk.signature import SignatureVerifier

from notifications.channels.base import DeliveryError
from notifications.channels.slack import ACTION_PREFIX
from notifications.providers import http
from notifications.providers.base import ProviderConfig
from notifications.services.accounts import accounts_of_kind
from notifications.services.answers import Action
from notifications.services.slack_presses import Press, answer_press

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024  # the message that was pressed comes along
MAX_INCIDENTS = 200
# Slack tells the member of a failure when it hears nothing for 3 s.
ANSWER_SECONDS = 0.9
SLACK_HOST = "hooks.slack.com"


@csrf_exempt
@require_POST
def interactions(request: HttpRequest) -> HttpResponse:
    """Do what was pressed; 403 unless Slack signed it within the last 5 minutes."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
        return HttpResponse("Too large.", status=413)
    account = _account_that_signed(request)
    if account is None:
        logger.warning("Refused an unsigned or forged press of a button in Slack.")
        return HttpResponse("The signature is missing or wrong.", status=403)
    press = read_press(request.body)
    if press is not None:
        text = answer_press(press=press, account=account, now=timezone.now())
        _whisper(press.response_url, text, account)
    return HttpResponse()


def read_press(body: bytes) -> Press | None:
    """What was pressed; None for whatever is no button of ours, such as a link."""
    try:
        payload = json.loads(parse_qs(body.decode())["payload"][0])
        if payload["type"] != "block_actions":
            return None
        pressed, user = payload["actions"][0], payload["user"]
        action = str(pressed["action_id"]).removeprefix(ACTION_PREFIX)
        if action not in get_args(Action) or not pressed["action_id"].startswith(ACTION_PREFIX):
            return None
        return Press(
            workspace=str(user.get("team_id") or payload["team"]["id"]),
            member=str(user["id"]),
            member_name=str(user.get("username") or user.get("name") or user["id"]),
            action=cast(Action, action),
            incident_ids=_ids(pressed["value"]),
            response_url=str(payload.get("response_url", "")),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        logger.warning("A press of a button in Slack could not be read: %r", error)
        return None


def _ids(value: Any) -> tuple[int, ...]:
    """Numbers of incidents, each once; raises ValueError for anything else."""
    parts = str(value).split(",")[:MAX_INCIDENTS]
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise ValueError("no numbers of incidents")
    return tuple(dict.fromkeys(int(part) for part in parts))


def _account_that_signed(request: HttpRequest) -> ProviderConfig | None:
    stamp = request.headers.get("X-Slack-Request-Timestamp", "")
    signature = request.headers.get("X-Slack-Signature", "")
    if not (stamp.isascii() and stamp.isdigit() and signature.isascii()):
        return None
    return next(
        (
            account
            for account in accounts_of_kind("slack")
            if account["signing_secret"] and _is_signed(account, request.body, stamp, signature)
        ),
        None,
    )


def _is_signed(account: ProviderConfig, body: bytes, stamp: str, signature: str) -> bool:
    """Not older than 5 minutes, and by this account's secret."""
    try:
        verifier = SignatureVerifier(account["signing_secret"])
        return verifier.is_valid(body=body, timestamp=stamp, signature=signature)
    except ValueError:  # a body that is no UTF-8, a stamp of a thousand digits
        return False


def _whisper(url: str, text: str, account: ProviderConfig) -> None:
    """Tell the member alone; a failure is logged, what was pressed is done."""
    known = (SLACK_HOST, urlsplit(account["api_url"]).hostname)
    if not text or urlsplit(url).hostname not in known:
        return
    body = {"response_type": "ephemeral", "replace_original": False, "text": text}
    try:
        http.call("POST", url, who="Slack", json_body=body, seconds=ANSWER_SECONDS)
    except DeliveryError as error:
        logger.warning("The answer to a press in Slack did not arrive: %s", error)


slack_patterns: list[URLPattern] = [
    path("slack/interactions/", interactions, name="slack_interactions"),
]
