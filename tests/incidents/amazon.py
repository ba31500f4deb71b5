"""A server that acts as Amazon SNS: hands out its certificate and confirms subscriptions."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

HOST = "https://sns.us-east-1.amazonaws.com"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
CERTIFICATE = "/SimpleNotificationService-0123456789abcdef.pem"
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip
SIGNED["UnsubscribeConfirmation"] = SIGNED["SubscriptionConfirmation"]
ALARM = {
    "AlarmName": "Checkout errors",
    "AlarmDescription": "Too many errors",
    "AWSAccountId": "123456789012",
    "Region": "US East (N. Virginia)",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed",
    "StateChangeTime": "2026-05-01T10:00:00.000+0000",
    "Trigger": {"Namespace": "Shop", "Dimensions": []},
}


@cache
def _key() -> rsa.RSAPrivateKey:
    """One for all tests of a process: a key takes a tenth of a second."""
    return rsa.generate_private_key(65537, 2048)


class Amazon:
    """What the stand-in answers, what it was asked, and how it signs."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.key = _key()
        self.asked: list[str] = []  # paths with queries
        self.pages: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.stalls = threading.Event()  # set: answers nothing
        self.serve(certificate(self.key))

    def serve(self, pem: bytes, status: int = 200) -> None:
        """Hand this out as the certificate."""
        self.pages[CERTIFICATE] = (status, pem, {})

    def message(self, type: str = "Notification", **values: Any) -> dict[str, Any]:
        """An SNS message, signed; None leaves a field out, unsigned values replace after."""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}"
        message: dict[str, Any] = {
            "Type": type,
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": TOPIC,
            "Message": json.dumps(ALARM),
            "Timestamp": now,
            "SignatureVersion": "1",
            "SigningCertURL": self.origin + CERTIFICATE,
        }
        if type == "Notification":
            message |= {
                "Subject": "ALARM: “Checkout errors”",
                "UnsubscribeURL": self._subscribe_url(),
            }
        else:
            message |= {"Token": "2336412f37", "SubscribeURL": self._subscribe_url()}
        message |= values
        message = {name: value for name, value in message.items() if value is not None}
        return message | {"Signature": self.sign(message)}

    def sign(self, message: dict[str, Any]) -> str:
        """Sign as AWS documents it."""
        names = [name for name in SIGNED[message["Type"]] if name in message]
        text = "".join(f"{name}\n{message[name]}\n" for name in names).encode()
        digest = hashes.SHA256() if message["SignatureVersion"] == "2" else hashes.SHA1()  # noqa: S303
        return base64.b64encode(self.key.sign(text, padding.PKCS1v15(), digest)).decode()

    def _subscribe_url(self) -> str:
        return f"{self.origin}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"


def certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    *,
    name: str = "sns.amazonaws.com",
    until: timedelta = timedelta(days=30),
) -> bytes:
    """A certificate in PEM."""
    now = datetime.now(UTC)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + until)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        amazon = cast("_Server", self.server).amazon
        amazon.asked.append(self.path)
        if amazon.stalls.is_set():
            threading.Event().wait(2)
        default = (200, b"<ConfirmSubscriptionResponse/>", {}) if self.path[:2] == "/?" else None
        page = amazon.pages.get(self.path) or default or (404, b"", {})
        status, body, headers = page
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    amazon: Amazon


@contextmanager
def running_amazon() -> Iterator[Amazon]:
    """A stand-in that answers until the end of the block."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.amazon = Amazon(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.amazon
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
