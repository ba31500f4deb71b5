"""What vendors send as proof, computed here without the product's code."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from pathlib import Path

PAYLOADS = Path(__file__).parent / "integrations" / "payloads"
Headers = dict[str, str]
Vendor = Callable[[str, bytes], Headers]


def hex_of(secret: str, body: bytes, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), body, getattr(hashlib, algorithm)).hexdigest()


def github(secret: str, body: bytes) -> Headers:
    return {"X-Hub-Signature-256": f"sha256={hex_of(secret, body)}"}


def gitlab(secret: str, body: bytes) -> Headers:
    return {"X-Gitlab-Token": secret}


def gitlab_signed(secret: str, body: bytes, sent_at: float | None = None) -> Headers:
    """Standard Webhooks, as GitLab's signing token makes it."""
    sent = str(int(time.time() if sent_at is None else sent_at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b"msg_1." + sent.encode() + b"." + body
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def bitbucket(secret: str, body: bytes) -> Headers:
    return {"X-Hub-Signature": f"sha256={hex_of(secret, body)}"}


def sentry(secret: str, body: bytes) -> Headers:
    return {"Sentry-Hook-Signature": hex_of(secret, body)}


def vercel(secret: str, body: bytes) -> Headers:
    return {"x-vercel-signature": hex_of(secret, body, "sha1")}


def grafana(secret: str, body: bytes) -> Headers:
    return {"X-Grafana-Alerting-Signature": hex_of(secret, body)}


def grafana_timed(secret: str, body: bytes, sent_at: float | None = None) -> Headers:
    sent = str(int(time.time() if sent_at is None else sent_at))
    signature = hex_of(secret, sent.encode() + b":" + body)
    return {"X-Grafana-Alerting-Signature": signature, "X-Grafana-Alerting-Timestamp": sent}


def grafana_of_the_original(secret: str, body: bytes) -> Headers:
    return {"X-Grafana-Signature": hex_of(secret, body)}


def splunk(secret: str, body: bytes) -> Headers:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return {"X-SFX-Signature": base64.b64encode(digest).decode()}


def honeycomb(secret: str, body: bytes) -> Headers:
    return {"X-Honeycomb-Webhook-Token": secret}


def generic(secret: str, body: bytes) -> Headers:
    return {"X-Signature": hex_of(secret, body)}


def generic_by_its_other_name(secret: str, body: bytes) -> Headers:
    return {"X-Webhook-Signature": hex_of(secret, body)}


def payload(kind: str, name: str) -> bytes:
    """One of the vendor's messages."""
    return (PAYLOADS / kind / f"{name}.json").read_bytes()
