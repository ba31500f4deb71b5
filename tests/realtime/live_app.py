"""The whole application as it is served, with topics for the tests and a look inside.

Run by tests/realtime/server.py as `python -m tests.realtime.live_app <port>`.
"""

import json
import sys
import threading
import time
from typing import Any

from config.asgi import application as opsknight_application
from config.listening import listen
from config.web import make_server
from opsknight.models import User
from realtime import bus, streams, subscriber, topics
from realtime.access import EVERYBODY, team_channel
from realtime.topics import LiveMessage

renders: list[list[int]] = []
started_at = time.monotonic()


def render_users(ids: list[int]) -> list[LiveMessage]:
    """One event per user that exists, for everybody; counts how often it ran."""
    renders.append(ids)
    names = User.objects.filter(pk__in=ids).values_list("pk", "name")
    return [LiveMessage((EVERYBODY,), "user", {"id": pk, "name": name}) for pk, name in names]


def render_team_secrets(ids: list[int]) -> list[LiveMessage]:
    """One event per team, for its members and for everybody at once."""
    return [LiveMessage((team_channel(pk),), "secret", {"team": pk}) for pk in ids]


def render_marks(ids: list[int]) -> list[LiveMessage]:
    """One event per number, whatever it means, for two channels of the same people."""
    return [LiveMessage((EVERYBODY, "responders"), "mark", {"id": pk}) for pk in ids]


def render_bulk(ids: list[int]) -> list[LiveMessage]:
    """Many large events at once: more than a slow stream may keep."""
    return [LiveMessage((EVERYBODY,), "bulk", {"text": "x" * 1000}) for _ in range(ids[0])]


def render_trouble(ids: list[int]) -> list[LiveMessage]:
    """A renderer with a bug."""
    raise RuntimeError("This renderer is broken.")


topics.register("user", render_users)
topics.register("team", render_team_secrets)
topics.register("mark", render_marks)
topics.register("bulk", render_bulk)
topics.register("trouble", render_trouble)
# Tests do not wait for what takes minutes in production.
bus.RECHECK_SECONDS = 0.3
bus.LOOK_AFTER_SECONDS = 1.0
subscriber.QUIET_SECONDS = 1.0
streams.MOST_BYTES = 300_000


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer `/-/inside` with what goes on in this process, everything else as in production."""
    if scope["path"] != "/-/inside":
        return await opsknight_application(scope, receive, send)
    inside = {
        "streams": streams.count_streams(),
        "renders": renders,
        "threads": threading.active_count(),
        "age_seconds": time.monotonic() - started_at,
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(inside).encode()})


if __name__ == "__main__":
    make_server(application).run(sockets=[listen("127.0.0.1", int(sys.argv[1]))])
