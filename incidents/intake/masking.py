"""Takes the secrets out of a delivery before it is stored.

The masked delivery can be replayed: its integration is known by its row, not by its key, and no
parser reads what is masked here. Signatures stay: they prove one body and open nothing.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

MASK: Final = "•••"
_MASK_BYTES: Final = MASK.encode()
MAX_NAME: Final = 100  # no honest name is longer

# A header or a query value is secret when its name contains one of these.
_SECRET_WORDS: Final = (
    "authorization",
    "cookie",
    "credential",
    "key",
    "passphrase",
    "passwd",
    "password",
    "secret",
    "token",
)
# …or is one of these: Azure's signed addresses, passwords by their short name.
_SECRET_NAMES: Final = frozenset({"sig", "code", "pass", "pwd", "auth"})

_PAGERDUTY_FIELDS: Final = ("routing_key", "service_key")
# Fields of a body that hold a secret, by the format it is read as.
_BODY_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "events": _PAGERDUTY_FIELDS,
    "pagerduty": _PAGERDUTY_FIELDS,
    "pagerduty-change": _PAGERDUTY_FIELDS,
    "honeycomb": ("shared_secret",),
    "opsgenie": ("apiKey",),
    # Whoever has one of these ends or confirms the subscription without signing in to Amazon.
    "cloudwatch": ("SubscribeURL", "UnsubscribeURL", "Token"),
}
_NAMES: Final = {
    kind: tuple(f'"{name}"'.encode() for name in names) for kind, names in _BODY_FIELDS.items()
}
# What follows a field's name: a text, with its escaped quotes.
_VALUE: Final = re.compile(rb'\s*:\s*"(?P<value>(?:[^"\\]|\\.)*+)"', re.DOTALL)


def mask_headers(headers: Mapping[str, str], key: str = "") -> dict[str, str]:
    """The headers with "•••" for every secret; `key` is masked wherever it stands."""
    return _masked(headers, key)


def mask_query(query: Mapping[str, str], key: str = "") -> dict[str, str]:
    """The query's values with "•••" for every secret; `key` is masked wherever it stands."""
    return _masked(query, key)


def mask_body(kind: str, body: bytes, key: str = "") -> bytes:
    """The body with "•••" for the secrets that a vendor's format carries, and for `key`.

    Almost every body has none, and is handed back as it is.
    """
    if key and (raw := key.encode()) in body:
        body = body.replace(raw, _MASK_BYTES)
    for name in _NAMES.get(kind, ()):
        if name in body:
            body = _without(name, body)
    return body


def _without(name: bytes, body: bytes) -> bytes:
    pieces: list[bytes] = []
    done = 0
    position = body.find(name)
    while position >= 0:
        position += len(name)
        if found := _VALUE.match(body, position):
            pieces += (body[done : found.start("value")], _MASK_BYTES)
            done = position = found.end("value")
        position = body.find(name, position)
    return b"".join((*pieces, body[done:]))


def _masked(values: Mapping[str, str], key: str) -> dict[str, str]:
    masked = {}
    for name, value in values.items():
        if len(name) > MAX_NAME or _is_secret(name):
            value = MASK
        elif key and key in value:
            value = value.replace(key, MASK)
        masked[name] = value
    return masked


@lru_cache(maxsize=2048)
def _is_secret(name: str) -> bool:
    lower = name.lower()
    return lower in _SECRET_NAMES or any(word in lower for word in _SECRET_WORDS)
