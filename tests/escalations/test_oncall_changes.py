"""When other people are on call next, and from when on nothing changes."""

from datetime import timedelta

from escalations.oncall import (
    next_change,
)
from tests.escalations.rotas import (
    ANN,
    BOB,
    CEM,
    always,
    instant,
    layer,
    rule,
    schedule,
)


def test_next_change_is_also_the_first_time_that_somebody_is_on_call():
    plan = schedule(layer("daily", 1, "2026-06-01 00:00 UTC", begins_at="2029-06-01 00:00 UTC"))

    assert next_change(plan, instant("2026-06-01 00:00 UTC")) == instant("2029-06-01 00:00 UTC")


def test_next_change_looks_no_further_than_told():
    plan = schedule(layer("weekly", 1, "2026-06-01 00:00 UTC", ANN, BOB))
    at, handoff = instant("2026-06-03 00:00 UTC"), instant("2026-06-08 00:00 UTC")

    assert next_change(plan, at, until=handoff) is None
    assert next_change(plan, at, until=handoff + timedelta(minutes=1)) == handoff


def test_somebody_who_comes_beside_others_is_a_change():
    plan = schedule(always(ANN), always(BOB, restrictions=(rule("Mon", "09:00", "17:00"),)))

    assert next_change(plan, instant("2026-06-02 00:00 UTC")) == instant("2026-06-08 09:00 UTC")


def test_handoffs_below_somebody_who_is_always_on_call_are_no_changes():
    hidden = layer("hourly", 1, "2026-06-01 00:00 UTC", BOB, CEM, rank=1)

    assert next_change(schedule(always(ANN), hidden), instant("2026-06-02 00:00 UTC")) is None


def test_two_layers_of_one_person_that_fill_each_others_gaps_never_change():
    days = always(ANN, restrictions=(rule("daily", "08:00", "20:00"),), name="days")
    nights = always(ANN, restrictions=(rule("daily", "20:00", "08:00"),), name="nights")

    assert next_change(schedule(days, nights), instant("2026-06-02 00:00 UTC")) is None


def test_change_years_away_is_found():
    plan = schedule(layer("monthly", 60, "2026-06-01 00:00 UTC", ANN, BOB))

    assert next_change(plan, instant("2026-06-02 00:00 UTC")) == instant("2031-06-01 00:00 UTC")
