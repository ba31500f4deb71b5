"""Listens on Redis for changes, for ever: reconnects, and says when messages may be missing."""

import asyncio
import logging
import random
from collections.abc import Callable

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from realtime.publish import BUS

logger = logging.getLogger(__name__)

QUIET_SECONDS = 5.0  # after this long without a message Redis is asked whether it is there
FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0


class Subscriber:
    """One subscription to the bus. Calls back on the event loop it runs on."""

    def __init__(
        self,
        *,
        received: Callable[[bytes], None],  # one raw message
        arrived: Callable[[], None],  # subscribed: from now on nothing is missed
        lost: Callable[[], None],  # not subscribed any more
    ) -> None:
        self.is_subscribed = False
        self._received = received
        self._arrived = arrived
        self._lost = lost
        self._delay = FIRST_DELAY_SECONDS
        self._outage_logged = False

    async def listen(self) -> None:
        """Subscribe and hand on messages until Redis goes away; then wait a little."""
        try:
            await self._listen()
        except (RedisError, OSError) as error:
            self._report(error)
        finally:
            if self.is_subscribed:
                self.is_subscribed = False
                self._lost()
        # At random, so that the processes do not come back all at once.
        await asyncio.sleep(self._delay * random.uniform(0.5, 1))  # noqa: S311 - not a secret
        self._delay = min(self._delay * 2, LONGEST_DELAY_SECONDS)

    async def _listen(self) -> None:
        # No retries inside the library: a reconnect that we do not see loses messages silently.
        client = Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        async with client, client.pubsub() as pubsub:
            await pubsub.subscribe(BUS)
            await self._read(pubsub)

    async def _read(self, pubsub: PubSub) -> None:
        asked = False
        while True:
            message = await pubsub.get_message(timeout=QUIET_SECONDS)
            if message is None:
                if asked:
                    raise RedisConnectionError("Redis does not answer")
                await pubsub.ping()
                asked = True
                continue
            asked = False
            match message["type"]:
                case "subscribe":
                    self._settle()
                case "message":
                    self._received(message["data"])

    def _settle(self) -> None:
        if self._outage_logged:
            logger.info("Redis is back: open pages follow live again.")
        self._outage_logged = False
        self._delay = FIRST_DELAY_SECONDS
        self.is_subscribed = True
        self._arrived()

    def _report(self, error: Exception) -> None:
        if not self._outage_logged:
            logger.warning("Redis is away (%s): open pages refresh every few seconds.", error)
        self._outage_logged = True
