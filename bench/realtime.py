"""How soon an alert is on every open page: 500 pages, 2 alerts a second."""

import asyncio
import json
import re
import time
from collections.abc import Iterator

import psutil

from bench.figures import Figure, percentile
from bench.stack import Stack, door_stack

STREAMS = 500
ALERTS = 30
PAUSE_SECONDS = 0.5
OPEN_AT_ONCE = 20
PATIENCE_SECONDS = 30.0
PREPARE = """
from django.test import Client
from incidents.models import Integration, Service
from opsknight.models import User
service = Service.objects.create(name="Bench", storm_threshold=0)
user = User.objects.create_user("bench@example.com", name="Bench", role="admin", status="active")
client = Client()
client.force_login(user)
key = Integration.objects.create(service=service, name="Bench", kind="events").key
print(key, client.cookies["sessionid"].value)
"""
INCIDENT_ID = re.compile(rb'"id": (\d+)')


class Page(asyncio.Protocol):
    """One open stream; notes when each incident arrived first."""

    def __init__(self, port: int, cookie: str) -> None:
        self.opened = asyncio.get_running_loop().create_future()
        self.arrivals: dict[int, float] = {}
        self._request = (
            f"GET /api/realtime/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Cookie: sessionid={cookie}\r\n\r\n"
        ).encode()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            if b"event: incident\n" in event and (found := INCIDENT_ID.search(event)):
                self.arrivals.setdefault(int(found[1]), now)
            elif b"event: stream-open" in event and not self.opened.done():
                self.opened.set_result(None)


def run() -> Iterator[Figure]:
    """Open the pages, send the alerts, wait until each page has them all."""
    with door_stack() as stack:
        key, cookie = stack.manage("shell", "-v0", "-c", PREPARE).split()
        yield from asyncio.run(_measure(stack, key, cookie))


async def _measure(stack: Stack, key: str, cookie: str) -> list[Figure]:
    await _open_page(stack, cookie)  # the first stream starts what all share
    await _post_alert(stack, key, 0)
    before = _memory_of_web()
    started = time.perf_counter()
    pages: list[Page] = []
    for _ in range(0, STREAMS, OPEN_AT_ONCE):
        opening = [_open_page(stack, cookie) for _ in range(OPEN_AT_ONCE)]
        pages += await asyncio.gather(*opening)
    opened_in = time.perf_counter() - started
    memory = (_memory_of_web() - before) / 1024 / len(pages)
    latencies = await _send_alerts(stack, key, pages)
    return [
        Figure("realtime.streams", len(pages), "streams"),
        Figure("realtime.opened_per_s", len(pages) / opened_in, "streams/s"),
        Figure("realtime.kib_per_stream", memory, "KiB"),
        Figure("realtime.p50_ms", percentile(latencies, 0.5) * 1000, "ms"),
        Figure("realtime.p95_ms", percentile(latencies, 0.95) * 1000, "ms"),
        Figure("realtime.max_ms", max(latencies) * 1000, "ms"),
    ]


async def _send_alerts(stack: Stack, key: str, pages: list[Page]) -> list[float]:
    """Seconds from posting each alert to its arrival on each page."""
    for page in pages:
        page.arrivals.clear()
    posted = []
    for number in range(1, ALERTS + 1):
        posted.append(time.perf_counter())
        await _post_alert(stack, key, number)
        await asyncio.sleep(PAUSE_SECONDS)
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while any(len(page.arrivals) < ALERTS for page in pages):
        if time.perf_counter() > deadline:
            raise RuntimeError("Not every page got every alert")
        await asyncio.sleep(0.05)
    # Incidents are numbered in the order of their alerts.
    return [
        arrival - sent
        for page in pages
        for sent, (_, arrival) in zip(posted, sorted(page.arrivals.items()), strict=True)
    ]


async def _open_page(stack: Stack, cookie: str) -> Page:
    loop = asyncio.get_running_loop()
    _, page = await loop.create_connection(
        lambda: Page(stack.port, cookie), "127.0.0.1", stack.port
    )
    await asyncio.wait_for(page.opened, PATIENCE_SECONDS)
    return page


async def _post_alert(stack: Stack, key: str, number: int) -> None:
    payload = {"summary": f"Disk {number} is full", "source": "db-1", "severity": "critical"}
    event = {"event_action": "trigger", "dedup_key": f"disk-{number}", "payload": payload}
    body = json.dumps(event).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
    writer.write(
        f"POST /api/events HTTP/1.1\r\nHost: 127.0.0.1:{stack.port}\r\nConnection: close\r\n"
        f"Authorization: Token token={key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    status = (await reader.readline()).split()[1]
    writer.close()
    if status != b"202":
        raise RuntimeError(f"The door answered {status.decode()}")


def _memory_of_web() -> int:
    """Bytes that the web processes hold, together."""
    webs = [c for c in psutil.Process().children() if "config.web" in c.cmdline()]
    if not webs:
        raise RuntimeError("The web processes are gone")
    return sum(web.memory_info().rss for web in webs)
