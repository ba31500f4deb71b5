"""Fixtures for every test. PostgreSQL and Redis are started by tests/services.py."""

from collections.abc import Iterator

import pytest

from tests.stack import Stack, start_stack, temporary_home


@pytest.fixture(scope="session")
def running_stack() -> Iterator[Stack]:
    """One running OpsKnight for all tests that only look at it and clean up behind themselves."""
    with temporary_home() as home, start_stack(home) as stack:
        yield stack
