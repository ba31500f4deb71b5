"""The stream that keeps a page live (server-sent events)."""

from collections.abc import AsyncIterator

from asgiref.sync import SyncToAsync, sync_to_async
from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django_eventstream.views import get_listener_manager

from opsknight.errors import error_body
from realtime.access import viewer_of
from realtime.bus import running_bus
from realtime.streams import KEEP_ALIVE, StreamListener, count_streams, opening, wait_for_events

KEEP_ALIVE_SECONDS = 20.0
SUBSCRIBE_SECONDS = 1.0
RETRY_AFTER_SECONDS = 30


def stream(request: HttpRequest) -> HttpResponseBase:
    """Open the stream of the signed-in person; `?age=` is how long ago (ms) the page was read."""
    if request.method != "GET":
        body = error_body("method_not_allowed", "The stream is read with GET.")
        return JsonResponse(body, status=405, headers={"Allow": "GET"})
    viewer = viewer_of(request)
    if viewer is None:
        body = error_body("not_authenticated", "Sign in to follow live changes.")
        return JsonResponse(body, status=401)
    if count_streams() >= settings.STREAMS_PER_PROCESS:
        body = error_body("too_many_streams", "Too many pages are live; this one polls meanwhile.")
        return JsonResponse(body, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    response = StreamingHttpResponse(
        _events(StreamListener(viewer), _age_seconds(request)), content_type="text/event-stream"
    )
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"  # nginx would hold events back
    return response


def _age_seconds(request: HttpRequest) -> float:
    age = request.GET.get("age", "")
    return int(age) / 1000 if age.isdecimal() and len(age) < 8 else 0.0


async def _events(listener: StreamListener, age: float) -> AsyncIterator[bytes]:
    await _release_thread()
    bus = running_bus()
    bus.watch()
    read_at = bus.loop.time() - age
    manager = get_listener_manager()
    manager.add_listener(listener)
    try:
        await bus.wait_until_subscribed(SUBSCRIBE_SECONDS)
        listener.take()  # the page gets it once more, in order, with what it missed
        yield opening() + bus.catch_up(read_at, listener.channels)
        while not listener.is_ended:
            if await wait_for_events(listener, KEEP_ALIVE_SECONDS):
                yield listener.take()
            else:
                yield KEEP_ALIVE
    finally:
        manager.remove_listener(listener)


async def _release_thread() -> None:
    """Give back what Django keeps until a response ends: the connection and the thread.

    Django's ASGI handler runs the synchronous parts of a request in a thread of its own, in which
    the database connection lives. A stream lasts for hours and needs neither.
    """
    await sync_to_async(connections.close_all)()
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None:
        return
    executor = SyncToAsync.context_to_thread_executor.pop(context, None)
    if executor is not None:
        executor.shutdown(wait=False)
