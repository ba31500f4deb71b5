"""Asks Amazon SNS for its certificates, briefly, and remembers the answers."""

import asyncio
import re
import ssl
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.conf import settings

from opsknight.errors import OpsKnightError

SECONDS: Final = 5.0  # for the whole of one question
MAX_BYTES: Final = 32 * 1024
MIN_KEY_BITS: Final = 2048
KNOWN_SECONDS: Final = 24 * 3600.0
WRONG_SECONDS: Final = 300.0  # an answer that is no certificate
SILENT_SECONDS: Final = 10.0  # no answer
MAX_ENTRIES: Final = 100
MAX_QUESTIONS: Final = 8  # at once; the others are told to come again


class SignatureRefused(OpsKnightError):
    """The signature is missing or wrong; the message says which, and what to do."""

    code = "bad_signature"
    status = 401


class SnsUnavailable(OpsKnightError):
    """Amazon does not answer us; SNS sends its message again."""

    code = "unavailable"
    status = 503


_SNS_NAME: Final = re.compile(r"sns(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of SNS."""

    key: rsa.RSAPublicKey
    valid_from: datetime
    valid_until: datetime

    def usable_key(self, now: datetime) -> rsa.RSAPublicKey:
        """Its key; raises SignatureRefused outside the time for which it was made."""
        if not self.valid_from <= now <= self.valid_until:
            raise SignatureRefused(
                "Amazon's certificate is not valid now. Check this server's clock."
            )
        return self.key


@dataclass(frozen=True, slots=True)
class _Entry:
    until: float  # time.monotonic()
    found: Certificate | OpsKnightError


class Certificates:
    """Remembers certificates by address, also the ones that could not be had."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._asking: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Task[_Entry]] = {}

    async def find(self, url: str) -> Certificate:
        """The certificate at an address of Amazon's, which the caller has checked.

        Raises SignatureRefused when there is none, SnsUnavailable when nobody answers.
        """
        entry = self._entries.get(url)
        if entry is None or entry.until <= time.monotonic():
            entry = await self._ask_once(url)
        if isinstance(entry.found, OpsKnightError):
            raise type(entry.found)(entry.found.message)
        return entry.found

    async def _ask_once(self, url: str) -> _Entry:
        """One question for all who wait for the same answer."""
        loop = asyncio.get_running_loop()
        task = self._asking.get((loop, url))
        if task is None:
            # A loop that ended in the middle never says that its questions are over.
            self._asking = {key: t for key, t in self._asking.items() if not key[0].is_closed()}
            if len(self._asking) >= MAX_QUESTIONS:
                raise SnsUnavailable("Too many certificates are being fetched. Send it again.")
            task = loop.create_task(self._ask(url))
            self._asking[loop, url] = task
            task.add_done_callback(lambda _: self._asking.pop((loop, url), None))
        return await asyncio.shield(task)

    async def _ask(self, url: str) -> _Entry:
        try:
            status, body = await fetch(url)
            found: Certificate | OpsKnightError = _certificate_of(url, status, body)
        except OpsKnightError as error:
            found = error
        match found:
            case Certificate():
                seconds = KNOWN_SECONDS
            case SnsUnavailable():
                seconds = SILENT_SECONDS
            case _:
                seconds = WRONG_SECONDS
        entry = self._entries[url] = _Entry(time.monotonic() + seconds, found)
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
        return entry


@cache
def shared_certificates() -> Certificates:
    """The certificates this process knows."""
    return Certificates()


async def fetch(url: str) -> tuple[int, bytes]:
    """GET without following redirects; raises SnsUnavailable when there is no answer in time."""
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpx.AsyncClient(verify=_trusted(), timeout=SECONDS, follow_redirects=False) as client,
            client.stream("GET", url, headers={"accept-encoding": "identity"}) as response,
        ):
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    break
            return response.status_code, body
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
        raise SnsUnavailable("Amazon SNS does not answer. SNS sends its message again.") from error


@cache
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _certificate_of(url: str, status: int, body: bytes) -> Certificate:
    if status >= 500:
        raise SnsUnavailable(f"Amazon answered {status} instead of its certificate.")
    if status != 200 or len(body) > MAX_BYTES:
        raise SignatureRefused("There is no certificate at SigningCertURL.")
    try:
        certificate = x509.load_pem_x509_certificate(body)
        key = certificate.public_key()
    except (ValueError, x509.InvalidVersion) as error:
        raise SignatureRefused("There is no certificate at SigningCertURL.") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        raise SignatureRefused("The certificate at SigningCertURL has no RSA key that is safe.")
    is_ours = bool(settings.SNS_ENDPOINT) and url.startswith(settings.SNS_ENDPOINT + "/")
    if not is_ours and not is_made_out_to_sns(certificate):
        raise SignatureRefused("The certificate at SigningCertURL is not made out to Amazon SNS.")
    return Certificate(key, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def is_made_out_to_sns(certificate: x509.Certificate) -> bool:
    """Whether its subject is SNS, such as sns.amazonaws.com or sns-us-gov-west-1.amazonaws.com."""
    names = [
        str(attribute.value)
        for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    ]
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names += extension.value.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        pass
    return any(_SNS_NAME.fullmatch(name) for name in names)
