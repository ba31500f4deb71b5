"""Plays the push service of a browser's maker, and the browser: it checks VAPID and decrypts.

RFC 8030 (the service), 8291 (the encryption) and 8292 (the signature), written down anew, so that
an error of the library that encrypts shows.
"""

import base64
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.stand_ins.server import Reply, Request, StandIn, json_reply

MAX_BODY_BYTES = 4096
MAX_SIGNED_SECONDS = 24 * 3600
URGENCIES = ("very-low", "low", "normal", "high")
TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
P256 = ec.SECP256R1()


@dataclass
class Browser:
    """One subscription: its private key never leaves it."""

    name: str
    endpoint: str
    application_key: str  # whose messages it takes, base64url
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    auth: bytes = field(repr=False)
    is_gone: bool = False
    shown: list[dict[str, Any]] = field(default_factory=list)  # decrypted, oldest first
    headers: list[dict[str, str]] = field(default_factory=list)  # of each

    @property
    def public_key(self) -> bytes:
        """The uncompressed point."""
        public = self.private_key.public_key()
        return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def keys(self) -> dict[str, str]:
        """As `PushSubscription.toJSON()` names them."""
        return {"p256dh": to_base64url(self.public_key), "auth": to_base64url(self.auth)}

    @property
    def subscription(self) -> dict[str, Any]:
        """What the browser tells a site."""
        return {"endpoint": self.endpoint, "keys": self.keys}


class PushService(StandIn):
    """Takes messages for its browsers."""

    def __init__(self) -> None:
        super().__init__()
        self.browsers: dict[str, Browser] = {}

    def subscribe(self, application_key: str) -> Browser:
        """A browser that takes messages signed with the key."""
        name = secrets.token_urlsafe(12)
        browser = Browser(
            name,
            f"{self.url}/push/{name}",
            application_key,
            ec.generate_private_key(P256),
            secrets.token_bytes(16),
        )
        self.browsers[name] = browser
        return browser

    def answer(self, request: Request) -> Reply:
        """201, or what is wrong."""
        browser = self.browsers.get(request.path.removeprefix("/push/"))
        if request.method != "POST" or browser is None:
            return _refusal(404, "There is no such subscription.")
        if browser.is_gone:
            return _refusal(410, "The subscription has ended.")
        problem = self._problem_of_signature(request, browser) or _problem_of(request)
        if problem is not None:
            return problem
        try:
            plain = decrypted(request.body, browser)
        except (InvalidTag, ValueError) as error:
            return _refusal(400, f"Not encrypted for this browser: {error!r}")
        browser.headers.append(request.headers)
        browser.shown.append(json.loads(plain))
        return Reply(201, headers={"Location": f"{self.url}/message/{secrets.token_hex(8)}"})

    def _problem_of_signature(self, request: Request, browser: Browser) -> Reply | None:
        found = re.fullmatch(
            r"vapid t=([^,]+), ?k=([^,]+)", request.headers.get("authorization", "")
        )
        if found is None:
            return _refusal(401, "No VAPID signature.")
        if found[2].rstrip("=") != browser.application_key.rstrip("="):
            return _refusal(403, "VapidPkHashMismatch")
        claims = verified_claims(found[1], found[2])
        if claims is None:
            return _refusal(403, "The signature is wrong.")
        left = claims.get("exp", 0) - time.time()
        if claims.get("aud") != self.url or not 0 < left <= MAX_SIGNED_SECONDS:
            return _refusal(403, "The claims are wrong.")
        if not str(claims.get("sub", "")).startswith(("mailto:", "https:")):
            return _refusal(403, "Nobody is named as contact.")
        return None


def _problem_of(request: Request) -> Reply | None:
    headers = request.headers
    if len(request.body) > MAX_BODY_BYTES:
        return _refusal(413, "Too large.")
    if headers.get("content-encoding") != "aes128gcm" or not headers.get("ttl", "").isdigit():
        return _refusal(400, "Content-Encoding or TTL is wrong.")
    if headers.get("urgency") not in URGENCIES or not TOPIC.fullmatch(headers.get("topic", "")):
        return _refusal(400, "Urgency or Topic is wrong.")
    return None


def verified_claims(token: str, key: str) -> dict[str, Any] | None:
    """The claims of a JWT with an ES256 signature; None where that is wrong."""
    signed, _, signature = token.rpartition(".")
    raw = from_base64url(signature)
    point = ec.EllipticCurvePublicKey.from_encoded_point(P256, from_base64url(key))
    numbers = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    try:
        point.verify(encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return None
    claims: dict[str, Any] = json.loads(from_base64url(signed.partition(".")[2]))
    return claims


def decrypted(body: bytes, browser: Browser) -> bytes:
    """One record of aes128gcm (RFC 8188), with the keys of RFC 8291.

    Raises InvalidTag and ValueError for what was not encrypted for this browser.
    """
    salt, length = body[:16], body[20]
    sender = body[21 : 21 + length]
    public = ec.EllipticCurvePublicKey.from_encoded_point(P256, sender)
    shared = browser.private_key.exchange(ec.ECDH(), public)
    info = b"WebPush: info\0" + browser.public_key + sender
    secret = _derived(shared, browser.auth, info, 32)
    key = _derived(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(secret, salt, b"Content-Encoding: nonce\0", 12)
    record = AESGCM(key).decrypt(nonce, body[21 + length :], None).rstrip(b"\0")
    if not record.endswith(b"\x02"):
        raise ValueError("This is not the last record.")
    return record[:-1]


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def _refusal(status: int, reason: str) -> Reply:
    return json_reply({"reason": reason}, status)


def to_base64url(raw: bytes) -> str:
    """Without padding, as browsers write it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """With or without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
