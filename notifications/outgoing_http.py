"""One HTTP request to an address that a user wrote down: checked, pinned, bounded.

The name is resolved once, the resolved addresses are checked, and the connection goes to exactly
such an address, so a name that changes between check and use gains nothing. Everything together
ends before a deadline, however slowly the other side drips. `post` follows no redirects and reads
only the beginning of a body; `get` follows a few, each checked like the first, and reads up to a
limit.
"""

import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx

from notifications.time_limits import TimedBackend, time_limit

CONNECT_SECONDS = 5.0
MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class PrivateAddress(Exception):
    """The name leads into a private network."""


class TooLarge(Exception):
    """The body of the answer is larger than the limit."""


class BadRedirect(Exception):
    """A redirect leads nowhere, in circles, or from https to http."""


@dataclass(frozen=True)
class Answer:
    """What the other side said."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""  # its beginning


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    seconds: float,
    allow_private: bool,
    read_bytes: int = 0,
) -> Answer:
    """POST the body, read at most `read_bytes` of the answer's (whole chunks of at most 64 KiB).

    Raises PrivateAddress, and httpcore's errors.
    """
    backend = _Checked(allow_private)
    timeout = {"connect": CONNECT_SECONDS, "read": seconds, "write": seconds, "pool": seconds}
    with (
        time_limit(seconds),
        httpcore.ConnectionPool(ssl_context=_tls_context(), network_backend=backend) as pool,
        pool.stream(
            "POST",
            url,
            headers=[(name.encode(), value.encode()) for name, value in headers.items()],
            content=body,
            extensions={"timeout": timeout},
        ) as response,
    ):
        named = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers}
        return Answer(response.status, named, _read_beginning(response, read_bytes))


def _read_beginning(response: httpcore.Response, wanted: int) -> bytes:
    body = bytearray()
    if wanted:
        for part in response.iter_stream():
            body += part
            if len(body) >= wanted:
                break
    return bytes(body[:wanted])


@dataclass(frozen=True)
class Fetched:
    """What was found at an address, after its redirects."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


def get(
    url: str,
    *,
    headers: Mapping[str, str],
    seconds: float,
    max_bytes: int,
    allow_private: bool,
) -> Fetched:
    """GET an address. Raises PrivateAddress, TooLarge, BadRedirect, and httpcore's errors.

    The body comes as it is sent: ask for no compression that you cannot undo.
    """
    backend = _Checked(allow_private)
    timeout = {"connect": CONNECT_SECONDS, "read": seconds, "write": seconds, "pool": seconds}
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    with (
        time_limit(seconds),
        httpcore.ConnectionPool(ssl_context=_tls_context(), network_backend=backend) as pool,
    ):
        for _ in range(MAX_REDIRECTS + 1):
            with pool.stream("GET", url, headers=sent, extensions={"timeout": timeout}) as response:
                named = {
                    k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers
                }
                if response.status not in REDIRECTS:
                    return Fetched(response.status, named, _read(response, max_bytes))
            url = _redirected(url, named.get("location", ""))
    raise BadRedirect("It is redirected too often.")


def _read(response: httpcore.Response, max_bytes: int) -> bytes:
    body = bytearray()
    for part in response.iter_stream():
        body += part
        if len(body) > max_bytes:
            raise TooLarge
    return bytes(body)


def _redirected(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        parts = urlsplit(target)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and target.isascii()
        is_usable = is_usable and parts.port != 0  # raises ValueError for what is no port
    except ValueError:
        is_usable = False
    if not location or not is_usable:
        raise BadRedirect("It is redirected to something that is no web address.")
    if urlsplit(url).scheme == "https" and parts.scheme == "http":
        raise BadRedirect("It is redirected from https to http.")
    return target


def is_public(address: str) -> bool:
    """Whether an IP address is on the open internet, seen through the usual disguises."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or _nat64(ip)
        if inner is not None:
            return is_public(str(inner))
        if ip.teredo is not None or ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside 64:ff9b::/96 (RFC 6052)."""
    if ip in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    """Made once: loading the certificates takes tens of milliseconds. Honours SSL_CERT_FILE."""
    return httpx.create_ssl_context()


class _Checked(TimedBackend):
    """Connects to allowed addresses only."""

    def __init__(self, allow_private: bool) -> None:
        super().__init__()
        self._allow_private = allow_private

    def allowed(self, addresses: Sequence[str]) -> Sequence[str]:
        """Raises PrivateAddress when there are only others."""
        allowed = [a for a in addresses if self._allow_private or is_public(a)]
        if addresses and not allowed:
            raise PrivateAddress
        return allowed
