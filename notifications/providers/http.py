"""Calls to the APIs of providers: kept connections, a deadline, and a bounded answer."""

import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx

from notifications.channels.base import SEND_SECONDS, DeliveryError
from notifications.time_limits import TimedBackend, time_limit

CONNECT_SECONDS = 5.0
MAX_ANSWER_BYTES = 256 * 1024
MAX_CONNECTIONS = 100

_lock = threading.Lock()
_clients: list[httpx.Client] = []  # one, once it is needed


@dataclass(frozen=True)
class ApiAnswer:
    """What a provider's API answered; any status."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def retry_after(self) -> str:
        """The header, or nothing."""
        value: str = self.headers.get("retry-after", "")
        return value


def call(
    method: str,
    url: str,
    *,
    who: str,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    content: bytes | None = None,
    data: Mapping[str, Any] | None = None,
    json_body: Any = None,
    seconds: float = SEND_SECONDS,
) -> ApiAnswer:
    """One request; `who` names the provider in errors. Follows no redirects.

    Raises DeliveryError when no whole answer came within `seconds`, or it is larger than
    MAX_ANSWER_BYTES: then the message may have arrived, unless no connection was made.
    """
    timeout = httpx.Timeout(seconds / 2, connect=min(seconds / 2, CONNECT_SECONDS))
    try:
        with (
            time_limit(seconds),
            _client().stream(
                method,
                url,
                headers=headers,
                auth=auth,
                content=content,
                data=data,
                json=json_body,
                timeout=timeout,
            ) as response,
        ):
            return ApiAnswer(response.status_code, response.headers, _read(response, who))
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        reason = str(error) or "it took too long"
        raise DeliveryError(f"{who} cannot be reached: {reason}.", provider_is_down=True) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise DeliveryError(
            f"The address of {who} is no web address.", provider_is_down=True
        ) from error
    except httpx.HTTPError as error:
        raise DeliveryError(
            f"{who} fell silent.", may_have_arrived=True, provider_is_down=True
        ) from error


def close_connections() -> None:
    """Let go of what is kept open; the next call connects anew."""
    with _lock:
        if _clients:
            _clients.pop().close()


def _read(response: httpx.Response, who: str) -> bytes:
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise DeliveryError(
                f"{who} answered more than {MAX_ANSWER_BYTES // 1024} KiB.",
                may_have_arrived=True,
                provider_is_down=True,
            )
    return bytes(body)


def _client() -> httpx.Client:
    """One for all threads of a process, also when several ask for it first."""
    with _lock:
        if not _clients:
            _clients.append(_new_client())
        return _clients[0]


def _new_client() -> httpx.Client:
    client = httpx.Client(
        timeout=httpx.Timeout(SEND_SECONDS / 2, connect=CONNECT_SECONDS),
        limits=httpx.Limits(
            max_connections=MAX_CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=30
        ),
        trust_env=True,
        verify=_tls_context(),
    )
    _keep_time_limits(client)
    return client


def _keep_time_limits(client: httpx.Client) -> None:
    """Make a new client respect `time_limit`, also through a proxy of the environment.

    httpx has no setting for it and httpcore has one, so this reaches through; a test of dripping
    servers notices when a new version does not allow it any more.
    """
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = TimedBackend()


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    """Made once: loading the certificates takes tens of milliseconds. Honours SSL_CERT_FILE."""
    return httpx.create_ssl_context()
