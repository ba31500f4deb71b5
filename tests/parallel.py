"""How pytest-xdist shares the tests out: by file, except that those of one stack stay together.

A pytest plugin (`-p tests.parallel` in pyproject.toml), used by runs with `-n` only. Such a run
goes as fast as its longest part, so what waits most for other processes begins first.
"""

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# What shares a stack, by the beginning of its path; the first that fits counts. In the order in
# which they begin.
TOGETHER = (
    "tests/e2e/",
    "tests/flows/test_database_away",
    "tests/flows/test_engine_chaos.py",
    "tests/flows/test_notify_chaos.py",
    "tests/flows/",
    "tests/config/test_supervisor.py",
    "tests/opsknight/test_live_pages.py",
    "tests/opsknight/test_shell_behaviour.py",
)
# Beside the processor's: while stacks and browsers are waited for, somebody else can work.
ADDITIONAL_WORKERS = 1
MAX_WORKERS = 5  # each has a PostgreSQL and a Redis of its own


def part_of(nodeid: str) -> str:
    """What runs in one worker: a group of files, or one file."""
    return next((group for group in TOGETHER if nodeid.startswith(group)), nodeid.split("::")[0])


class StackScheduling(LoadScopeScheduling):
    """Hands out the parts in the order in which their first tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return part_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> StackScheduling:
    """Asked by the controller, whatever `--dist` says."""
    config.option.loadscopereorder = False  # the largest number is not the longest time
    return StackScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means."""
    return min((os.cpu_count() or 1) + ADDITIONAL_WORKERS, MAX_WORKERS)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In workers, the long parts come first."""
    if hasattr(config, "workerinput"):
        order = {group: place for place, group in enumerate(TOGETHER)}
        items.sort(key=lambda item: order.get(part_of(item.nodeid), len(order)))
