"""Bodies of bounded size before Django, which would write whatever comes to disk."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

from opsknight.errors import error_body

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class _TooLarge(Exception):
    """More came than the limit allows."""


def limited(application: Application) -> Application:
    """The application, with 413 for bodies larger than INTAKE_MAX_BODY_BYTES."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        limit = settings.INTAKE_MAX_BODY_BYTES
        has_started = False
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            if _declared(scope) > limit:
                raise _TooLarge
            await application(scope, counted, noted)
        except _TooLarge:
            if not has_started:
                await _refuse(send, limit)

    return serve


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _refuse(send: Send, limit: int) -> None:
    message = f"The body is larger than the limit of {limit // 1024} KiB."
    body = json.dumps(error_body("too_large", message)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # the rest of the body is not waited for
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
