"""Calls in TwiML: what is spoken, which keys are asked for, and where they are sent."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, TypeAlias

from django.core import signing
from twilio.twiml.voice_response import Gather, VoiceResponse

# Which keys a call waits for; "" for none, then it ends.
Menu: TypeAlias = Literal["", "main", "stop"]
MENUS: dict[Menu, str] = {
    "": "Goodbye.",
    "main": (
        "To acknowledge, press 4. To escalate, press 5. To resolve, press 6. "
        "To stop calls to this number, press 1. To hear this again, press star."
    ),
    "stop": "To confirm, press 3. To go back, press any other key.",
}
# Who picks up half asleep hears everything twice.
REPETITIONS = 2
KEY_SECONDS = 6
MAX_TWIML_LENGTH = 4000  # of an order; marks such as & take five letters
SALT = "notifications.calls"
MAX_CALL_AGE = timedelta(hours=6)


def twiml(words: str, *, menu: Menu, action: str, language: str) -> str:
    """The TwiML that says the words and waits for a key, which is posted to `action`."""
    text = _written(words, menu, action, language, REPETITIONS)
    if len(text) <= MAX_TWIML_LENGTH:
        return text
    return _written(words, menu, action, language, 1)


def _written(words: str, menu: Menu, action: str, language: str, repetitions: int) -> str:
    response = VoiceResponse()
    response.pause(length=1)
    if menu:
        for _ in range(repetitions):
            gather = Gather(num_digits=1, timeout=KEY_SECONDS, action=action, method="POST")
            gather.say(f"{words} {MENUS[menu]}", language=language)
            response.append(gather)
        response.say(MENUS[""], language=language)
    else:
        response.say(f"{words} {MENUS['']}", language=language)
    return str(response)


def sign_call(notification_ids: Sequence[int]) -> str:
    """The token that says which pages a call is about."""
    return signing.dumps(list(notification_ids), salt=SALT, compress=True)


def read_call(token: str) -> list[int]:
    """The pages of a call; empty for a token that is not ours, or that is old."""
    try:
        ids: list[int] = signing.loads(token, salt=SALT, max_age=MAX_CALL_AGE)
    except signing.BadSignature:
        return []
    return ids
