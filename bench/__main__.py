"""`python -m bench [part …]`: run the parts and print their figures as they come."""

import sys
from collections.abc import Callable, Iterator

from bench import engine, intake, page, realtime
from bench.figures import Figure

PARTS: dict[str, Callable[[], Iterator[Figure]]] = {
    "intake": intake.run,
    "engine": engine.run,
    "page": page.run,
    "realtime": realtime.run,
}


def main(names: list[str]) -> int:
    """Run the named parts, or all."""
    unknown = sorted(set(names) - PARTS.keys())
    if unknown:
        print(f"Unknown part {', '.join(unknown)}. There are: {', '.join(PARTS)}.")
        return 2
    for name in names or PARTS:
        for figure in PARTS[name]():
            print(figure, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
