"""How each vendor proves that a delivery is its own. Pure: headers, body and secrets in.

A proof says True or False for what it found, None where its header is missing. Everything is
compared in constant time, over the raw body, with every secret that is valid now.
"""

import base64
import binascii
import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

Headers = Mapping[str, str]
Proof = Callable[[Headers, bytes, Sequence[str]], bool | None]
Sign = Callable[[str, bytes], dict[str, str]]

# How far the clock of a sender that signs its time may be from ours; Standard Webhooks' figure.
TOLERANCE_SECONDS: Final = 300
STANDARD_PREFIX: Final = "whsec_"
GENERIC_HEADERS: Final = ("x-signature", "x-webhook-signature")


def hex_proof(name: str, algorithm: str = "sha256", prefix: str = "") -> Proof:
    """HMAC of the body in hexadecimal, with the prefix before it."""

    def prove(headers: Headers, body: bytes, secrets: Sequence[str]) -> bool | None:
        given = headers.get(name)
        if given is None:
            return None
        expected = [prefix + _hmac(secret, body, algorithm).hex() for secret in secrets]
        return _matches(given.strip().lower(), expected)

    return prove


def generic_proof(headers: Headers, body: bytes, secrets: Sequence[str]) -> bool | None:
    """Hexadecimal HMAC-SHA256 of the body in X-Signature or X-Webhook-Signature.

    GitHub's "sha256=" before it does no harm.
    """
    given = next((headers[name] for name in GENERIC_HEADERS if name in headers), None)
    if given is None:
        return None
    plain = given.strip().lower().removeprefix("sha256=")
    return _matches(plain, [_hmac(secret, body).hex() for secret in secrets])


def base64_proof(name: str) -> Proof:
    """HMAC-SHA256 of the body in base64."""

    def prove(headers: Headers, body: bytes, secrets: Sequence[str]) -> bool | None:
        given = headers.get(name)
        if given is None:
            return None
        return _matches(given.strip(), [_base64(_hmac(secret, body)) for secret in secrets])

    return prove


def token_proof(name: str) -> Proof:
    """The secret itself: it proves who sent the body, not that nobody changed it."""

    def prove(headers: Headers, body: bytes, secrets: Sequence[str]) -> bool | None:
        given = headers.get(name)
        return None if not given else _matches(given, secrets)

    return prove


def standard_proof(headers: Headers, body: bytes, secrets: Sequence[str]) -> bool | None:
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

    Signs id, time and body; the header holds one signature for each secret of the sender.
    """
    given = headers.get("webhook-signature")
    if given is None:
        return None
    identity, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not _is_recent(sent):
        return False
    signed = b".".join((_raw(identity), _raw(sent), body))
    expected = [
        "v1," + _base64(hmac.digest(key, signed, "sha256"))
        for key in map(_standard_key, secrets)
        if key
    ]
    # As many as a sender in rotation has; more would be a way to make us work.
    return sum(_matches(signature, expected) for signature in given.split(" ")[:5]) > 0


def grafana_proof(headers: Headers, body: bytes, secrets: Sequence[str]) -> bool | None:
    """HMAC-SHA256 of the body, or of "<time>:<body>" where a timestamp header is configured.

    That header may have any name; we look at those that end in "timestamp".
    """
    given = headers.get("x-grafana-alerting-signature")
    if given is None:
        return None
    given = given.strip().lower()
    times = [value for name, value in headers.items() if name.endswith("timestamp")][:3]
    if not times:
        return _matches(given, [_hmac(secret, body).hex() for secret in secrets])
    signed = [_raw(sent) + b":" + body for sent in times if _is_recent(sent)]
    expected = [_hmac(secret, content).hex() for content in signed for secret in secrets]
    # A proxy may add such a header to a delivery that has no time of its own.
    expected += [_hmac(secret, body).hex() for secret in secrets]
    return _matches(given, expected)


class _SharedSecret(msgspec.Struct):
    shared_secret: str = ""


_shared_secret = msgspec.json.Decoder(_SharedSecret)


def body_token_proof(headers: Headers, body: bytes, secrets: Sequence[str]) -> bool | None:
    """Honeycomb's default body carries the shared secret as well."""
    if b'"shared_secret"' not in body:
        return None
    try:
        given = _shared_secret.decode(body).shared_secret
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not given:
        return None
    raw = given.encode("utf-8", "replace")
    return sum(hmac.compare_digest(raw, secret.encode()) for secret in secrets) > 0


def sign_hex(name: str, algorithm: str = "sha256", prefix: str = "") -> Sign:
    """Headers as `hex_proof` wants them."""
    return lambda secret, body: {name: prefix + _hmac(secret, body, algorithm).hex()}


def sign_base64(name: str) -> Sign:
    """Headers as `base64_proof` wants them."""
    return lambda secret, body: {name: _base64(_hmac(secret, body))}


def sign_token(name: str) -> Sign:
    """Headers as `token_proof` wants them."""
    return lambda secret, body: {name: secret.encode().decode("latin-1")}


def _hmac(secret: str, content: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.digest(secret.encode(), content, algorithm)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _raw(header: str) -> bytes:
    """The bytes of a header as they came: servers hand them over as Latin-1."""
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return header.encode("utf-8", "replace")


def _matches(given: str, expected: Sequence[str]) -> bool:
    """Whether it is one of them; looks at all of them, so that the time tells nothing."""
    raw = _raw(given)
    return sum(hmac.compare_digest(raw, one.encode()) for one in expected) > 0


def _is_recent(sent: str) -> bool:
    """Whether an instant in Unix seconds is one of the last or next minutes."""
    if not re.fullmatch(r"[0-9]{1,12}", sent):
        return False
    return abs(time.time() - int(sent)) <= TOLERANCE_SECONDS


def _standard_key(secret: str) -> bytes:
    """The key inside "whsec_<base64>"; b"" for a secret of another form."""
    if not secret.startswith(STANDARD_PREFIX):
        return b""
    try:
        return base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""
