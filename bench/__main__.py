"""`python -m bench [part …]`: run the parts and print their figures as they come.

Without names, all but those that take many minutes.
"""

import sys
from collections.abc import Callable, Iterator

from bench import chaos, engine, intake, notify, notify_chaos, oncall, page, realtime
from bench.figures import Figure

PARTS: dict[str, Callable[[], Iterator[Figure]]] = {
    "intake": intake.run,
    "intake-full": intake.run_full,
    "engine": engine.run,
    "oncall": oncall.run,
    "page": page.run,
    "notify": notify.run,
    "realtime": realtime.run,
}
LONG_PARTS: dict[str, Callable[[], Iterator[Figure]]] = {
    "intake-soak": intake.run_soak,
    "engine-chaos": chaos.run,
    "notify-chaos": notify_chaos.run,
}


def main(names: list[str]) -> int:
    """Run the named parts, or the usual ones."""
    parts = PARTS | LONG_PARTS
    unknown = sorted(set(names) - parts.keys())
    if unknown:
        print(f"Unknown part {', '.join(unknown)}. There are: {', '.join(parts)}.")
        return 2
    for name in names or PARTS:
        for figure in parts[name]():
            print(figure, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
