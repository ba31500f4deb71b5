"""Beat, which sends the sweeps: whatever happens to the clock, they go on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.beat import Scheduler

from config.celery import app


class Wall:
    """A wall clock that somebody may set."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def test_sweeps_go_on_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall()
    wall.ahead = timedelta(hours=1)
    monkeypatch.setattr(app, "now", wall.now)
    scheduler: Any = Scheduler(app=app)
    scheduler.tick()

    wall.ahead = timedelta()
    seconds_until_next = scheduler.tick()

    assert seconds_until_next <= 2


def test_beat_keeps_nothing_on_disk() -> None:
    assert app.conf.beat_scheduler == "celery.beat:Scheduler"


@pytest.mark.parametrize("name", app.conf.beat_schedule)
def test_a_worker_whose_clock_is_half_a_minute_ahead_still_takes_sweeps(name: str) -> None:
    assert app.conf.beat_schedule[name]["options"]["expires"] >= 30


@pytest.mark.parametrize("name", app.conf.beat_schedule)
def test_every_sweep_is_a_registered_task(name: str) -> None:
    app.loader.import_default_modules()

    assert app.conf.beat_schedule[name]["task"] in app.tasks
