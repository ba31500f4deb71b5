"""Connections to the mail server: from EMAIL_URL, with a deadline, kept for the next message."""

import io
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from notifications.time_limits import resolve

CONNECT_SECONDS = 5.0
# An idle connection is used again within this time; most servers allow minutes.
IDLE_SECONDS = 30.0
MAX_IDLE = 20
# What a server may say at once; usual are a hundred bytes.
MAX_REPLY_BYTES = 64 * 1024

Security = Literal["plain", "starttls", "tls"]


@dataclass(frozen=True)
class MailServer:
    """Where mail goes."""

    host: str
    port: int
    user: str
    password: str
    security: Security


@lru_cache(maxsize=8)
def parse_email_url(url: str) -> MailServer:
    """Read `smtp://user:password@host:587?tls=true` or `smtps://…`.

    smtp:// speaks plain unless `tls` is true or starttls; smtps:// speaks TLS from the first byte.
    Raises ImproperlyConfigured with what to write instead.
    """
    parts = urlsplit(url)
    wish = parse_qs(parts.query).get("tls", ["false"])[-1].lower()
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ImproperlyConfigured("EMAIL_URL must read smtp://host:port or smtps://host:port.")
    if wish not in ("true", "1", "starttls", "false", "0"):
        raise ImproperlyConfigured("tls in EMAIL_URL must be true, starttls or false.")
    security: Security = "starttls" if wish in ("true", "1", "starttls") else "plain"
    if parts.scheme == "smtps":
        security = "tls"
    try:
        port = parts.port or {"plain": 25, "starttls": 587, "tls": 465}[security]
    except ValueError as error:
        raise ImproperlyConfigured("The port in EMAIL_URL must be a number.") from error
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailServer(parts.hostname, port, user, password, security)


class _Replies(io.RawIOBase):
    """What a server says: each read asks for the time, and no reply is endless."""

    def __init__(self, sock: socket.socket, spend: Callable[[], None]) -> None:
        super().__init__()
        self._sock = sock
        self._spend = spend
        self._left = MAX_REPLY_BYTES

    def begin(self) -> None:
        """Another reply is read."""
        self._left = MAX_REPLY_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read once from the socket. Raises TimeoutError, and OSError when it says too much."""
        self._spend()
        count = self._sock.recv_into(buffer)
        self._left -= count
        if self._left < 0:
            raise OSError("its answers are too long")
        return count


class Connection(smtplib.SMTP):
    """An SMTP connection whose every exchange ends before `deadline`, whatever the server does."""

    idle_since = 0.0
    replies = 0  # that came whole
    _source: _Replies | None = None

    def __init__(self, server: MailServer, deadline: float, **values: Any) -> None:
        """Connect, and read the greeting in time as well."""
        self.deadline = deadline
        super().__init__(server.host, server.port, timeout=CONNECT_SECONDS, **values)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect to the first address of the name that answers; certificates are the name's."""
        failure = OSError("the name has no address")
        for address in resolve(host, port, self._left(timeout)):
            left = self._left(timeout)
            try:
                connected: socket.socket = super()._get_socket(address, port, left)  # type: ignore[misc]
            except OSError as error:
                failure = error
                continue
            return connected
        raise failure

    def send(self, s: Any) -> None:
        """Send within what is left of the time."""
        self.spend()
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """Wait for an answer within what is left of the time, however slowly its lines drip."""
        if self.file is None and self.sock is not None:
            self._source = _Replies(self.sock, self.spend)
            self.file = io.BufferedReader(self._source)
        if self._source is not None:
            self._source.begin()
        reply = super().getreply()
        self.replies += 1
        return reply

    def _left(self, timeout: float) -> float:
        left = min(timeout, self.deadline - time.monotonic())
        if left <= 0:
            raise TimeoutError("the time for this message is over")
        return left

    def spend(self) -> None:
        """Let the next wait end with the time for this message; raises TimeoutError after it."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for this message is over")
        if self.sock is not None:
            self.sock.settimeout(left)


class TlsConnection(Connection, smtplib.SMTP_SSL):
    """The same inside TLS."""


class ConnectionPool:
    """Idle connections by server; shared by all sending threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[MailServer, list[Connection]] = {}

    @contextmanager
    def connection(self, server: MailServer, seconds: float) -> Iterator[Connection]:
        """A connection that is ready for a message; kept afterwards unless the block raised."""
        deadline = time.monotonic() + seconds
        connection = self._take(server, deadline) or open_connection(server, deadline)
        is_clean = False
        try:
            yield connection
            is_clean = True
        finally:
            if is_clean:
                self._keep(server, connection)
            else:
                connection.close()

    def close_all(self) -> None:
        """Forget all idle connections."""
        with self._lock:
            idle = [c for connections in self._idle.values() for c in connections]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _take(self, server: MailServer, deadline: float) -> Connection | None:
        """An idle connection that still answers."""
        while True:
            with self._lock:
                connections = self._idle.get(server)
                if not connections:
                    return None
                connection = connections.pop()
            connection.deadline = min(deadline, time.monotonic() + CONNECT_SECONDS)
            if connection.idle_since > time.monotonic() - IDLE_SECONDS and _answers(connection):
                connection.deadline = deadline
                return connection
            connection.close()

    def _keep(self, server: MailServer, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            connections = self._idle.setdefault(server, [])
            if len(connections) < MAX_IDLE:
                connections.append(connection)
                return
        connection.close()


def _answers(connection: Connection) -> bool:
    try:
        return connection.noop()[0] == 250
    except (OSError, smtplib.SMTPException):
        return False


def open_connection(server: MailServer, deadline: float) -> Connection:
    """Connect, secure and sign in. Raises OSError or SMTPException."""
    if server.security == "tls":
        connection: Connection = TlsConnection(server, deadline, context=_tls_context())
    else:
        connection = Connection(server, deadline)
    try:
        if server.security == "starttls":
            connection.starttls(context=_tls_context())
        if server.user:
            connection.login(server.user, server.password)
        connection.ehlo_or_helo_if_needed()
    except (OSError, smtplib.SMTPException):
        connection.close()
        raise
    return connection


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    """Made once: loading the certificates takes tens of milliseconds."""
    return ssl.create_default_context()
