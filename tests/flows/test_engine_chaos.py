"""The engine among failures; `make bench only=engine-chaos` does the same for minutes."""

from bench.chaos import Plan, wreak


def test_every_step_pages_once_among_kills_and_restarts() -> None:
    plan = Plan(incidents=200, seconds=16, spread_seconds=14, step_minutes=0, pause_seconds=2)

    outcome = wreak(plan)

    assert (outcome.missing, outcome.doubled, outcome.steps_taken_twice) == (0, 0, 0), outcome
    assert outcome.failures["database"] >= 1
    assert sum(outcome.failures.values()) >= 4
