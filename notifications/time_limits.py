"""A limit for a whole request, however slowly the other side, or the name server, drips.

HTTP clients limit each single read: one byte of a header every few seconds would hold a sender for
ever. The limit is the thread's, because connections are kept and used by many.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

import httpcore

_of_thread = threading.local()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Let every wait of this thread for a `TimedBackend` end within `seconds` from now."""
    _of_thread.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        del _of_thread.deadline


class TimedBackend(httpcore.NetworkBackend):
    """Resolves and connects; hands out streams that know the limit of whoever uses them."""

    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def allowed(self, addresses: Sequence[str]) -> Sequence[str]:
        """Those of a name's addresses to which a connection may be made."""
        return addresses

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the allowed addresses that answers: to exactly what was checked.

        Raises ConnectError and ConnectTimeout, and nothing that sounds as if more had happened.
        """
        error: Exception | None = None
        for address in self.allowed(
            _addresses(host, port, _left(timeout, httpcore.ConnectTimeout))
        ):
            left = _left(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._sockets.connect_tcp(
                    address, port, left, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
                continue
            return _Stream(stream)
        raise error or httpcore.ConnectError("the name has no address")


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
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(
    timeout: float | None, too_late: type[httpcore.TimeoutException] = httpcore.ReadTimeout
) -> float | None:
    deadline: float | None = getattr(_of_thread, "deadline", None)
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise too_late("the time for this message is over")
    return left if timeout is None else min(left, timeout)


def resolve(host: str, port: int, seconds: float | None) -> list[str]:
    """The addresses of a name; raises OSError, TimeoutError among them.

    Name servers know no limit of ours, so another thread waits for them.
    """
    if _is_address(host):
        return [host]
    answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            answers.put(error)
        else:
            answers.put(list(dict.fromkeys(str(info[4][0]) for info in found)))

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError("the name was not resolved in time") from None
    if isinstance(answer, Exception):
        raise OSError("the name cannot be resolved") from answer
    return answer


def _addresses(host: str, port: int, seconds: float | None) -> list[str]:
    try:
        return resolve(host, port, seconds)
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(str(error)) from error
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
