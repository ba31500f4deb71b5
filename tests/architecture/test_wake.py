"""The two upward links by name lead somewhere: nudges, and the beat table."""

import time
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError

from config.celery import QUEUES, app
from opsknight.wake import DEFAULT_QUEUES, Wake

TASKS = {name for name in app.tasks if not name.startswith("celery.")}


@pytest.fixture(scope="module", autouse=True)
def _load_tasks() -> None:
    app.loader.import_default_modules()
    TASKS.update(name for name in app.tasks if not name.startswith("celery."))


@pytest.mark.parametrize("wake", Wake)
def test_every_nudge_names_a_registered_task(wake: Wake) -> None:
    assert wake in TASKS


@pytest.mark.parametrize("wake", Wake)
def test_every_nudge_has_a_queue_that_a_worker_serves(wake: Wake) -> None:
    assert DEFAULT_QUEUES[wake] in QUEUES


@pytest.mark.parametrize("name", app.conf.beat_schedule)
def test_every_sweep_names_a_registered_task_and_queue(name: str) -> None:
    sweep = app.conf.beat_schedule[name]

    assert sweep["task"] in TASKS
    assert sweep["options"]["queue"] in QUEUES


def test_behind_every_nudge_is_a_sweep() -> None:
    swept = {sweep["task"] for sweep in app.conf.beat_schedule.values()}
    by_channel = {str(Wake.DELIVER)}  # sent by the next, where something is due

    assert {str(wake) for wake in Wake} - by_channel <= swept
    assert "notifications.tasks.wake_due_channels" in swept


def test_every_task_says_why_it_may_run_twice() -> None:
    silent = [
        name for name in TASKS if "Safe to run twice because" not in (app.tasks[name].__doc__ or "")
    ]

    assert silent == []


def test_a_nudge_does_not_wait_for_a_redis_that_is_away(tmp_path: Path) -> None:
    began = time.monotonic()

    with (
        app.connection_for_write(url=f"redis+socket://{tmp_path}/none.sock") as connection,
        pytest.raises(OperationalError),
    ):
        connection.default_channel.queue_declare("default")

    assert time.monotonic() - began < 1
