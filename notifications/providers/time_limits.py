"""A limit for a whole call by httpx, however slowly the other side drips.

httpx limits each single read: one byte of a header every few seconds would hold a sender for ever.
"""

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

_of_thread = threading.local()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Let every read and write of this thread end within `seconds` from now."""
    _of_thread.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        del _of_thread.deadline


def keep_time_limits(client: httpx.Client) -> None:
    """Make a new client respect `time_limit`, also through a proxy of the environment.

    httpx has no setting for it and httpcore has one, so this reaches through; a test of dripping
    servers notices when a new version does not allow it any more.
    """
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = _Backend()


def _left(timeout: float | None) -> float | None:
    deadline: float | None = getattr(_of_thread, "deadline", None)
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for this message is over")
    return left if timeout is None else min(left, timeout)


class _Backend(httpcore.NetworkBackend):
    """Connects as usual; hands out streams that know the limit of whoever uses them."""

    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._sockets.connect_tcp(
            host, port, _left(timeout), local_address, socket_options
        )
        return _Stream(stream)


class _Stream(httpcore.NetworkStream):
    """A stream on which no wait reaches beyond the limit of the thread."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
