"""placeholder"""

from collections.abc import Iterator

from bench.figures import Figure


def run() -> Iterator[Figure]:
    yield from ()
