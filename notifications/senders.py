"""Who keeps the senders of a run busy, so that one slow host leaves some to everybody else. Pure.

Where people write down addresses, each host is a provider of its own. One that answers quickly may
have all senders, for nobody waits for long behind it. Calls that take longer give their senders
back: others are used in their place, and the address, or the host, gets no more until few of its
calls are left.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

# A call that has taken longer than this is slow.
SLOW_SECONDS = 1.0
# The senders that there are at most, in place of those that are kept by slow calls.
MOST = 3

Key = TypeVar("Key")


class Crowd(NamedTuple):
    """Who keeps enough senders, and gets no more."""

    hosts: list[str]
    addresses: list[str]


NOBODY = Crowd([], [])


class Senders(Generic[Key]):
    """The calls under way, each with the web address that it goes to; empty where hosts do not
    matter."""

    def __init__(self, parallel: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.parallel = parallel
        self.most = parallel * MOST
        self._clock = clock
        self._calls: dict[Key, tuple[str, float]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def start(self, key: Key, address: str) -> None:
        """A call begins."""
        self._calls[key] = (address, self._clock())

    def end(self, key: Key) -> None:
        """It has ended."""
        del self._calls[key]

    def free(self) -> int:
        """How many more calls may begin."""
        slow = sum(count for address, count in self._slow().items() if host_of(address))
        return max(min(self.parallel + slow, self.most) - len(self._calls), 0)

    def has_slow(self) -> bool:
        """Some call has taken long, wherever it goes."""
        return bool(self._slow())

    def crowd(self) -> Crowd:
        """The addresses that keep a quarter of the senders, and the hosts that keep half.

        A single address is not taken for its host: many share that of a chat.
        """
        quarter, half = max(self.parallel // 4, 1), max(self.parallel // 2, 1)
        slow = {address: n for address, n in self._slow().items() if host_of(address)}
        hosts: Counter[str] = Counter()
        for address, count in slow.items():
            hosts[host_of(address)] += min(count, quarter)
        return Crowd(
            sorted(host for host, count in hosts.items() if count >= half),
            sorted(address for address, count in slow.items() if count >= quarter),
        )

    def _slow(self) -> Counter[str]:
        before = self._clock() - SLOW_SECONDS
        return Counter(address for address, at in self._calls.values() if at < before)


def host_of(address: str) -> str:
    """Host and port of a web address, as SQL finds them, too: split_part(address, '/', 3)."""
    return address.split("/", 3)[2] if address.startswith(("http://", "https://")) else ""
