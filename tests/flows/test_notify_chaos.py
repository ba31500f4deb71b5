"""Notifications among failures; `make bench only=notify-chaos` does the same for minutes."""

from bench.notify_chaos import Plan, wreak


def test_every_page_arrives_and_repetitions_say_so_among_kills_and_outages() -> None:
    plan = Plan(pages=300, seconds=14, spread_seconds=12, pause_seconds=2)

    outcome = wreak(plan)

    assert (outcome.missing, outcome.doubled, outcome.unfinished) == (0, 0, 0), outcome
    assert outcome.failed == 0, outcome
    assert outcome.failures.keys() == {"worker", "provider", "redis"}
