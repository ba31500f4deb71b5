"""Edited schedules, shifts beyond a window, and sums."""

from datetime import timedelta

from escalations.oncall import (
    History,
    Version,
    gaps_between,
    hours_per_person,
    next_change,
    shifts_between,
    whole_shifts_between,
)
from tests.escalations.rotas import (
    ANN,
    BOB,
    always,
    case,
    instant,
    layer,
    override,
    people,
    row,
    rows,
    rule,
    schedule,
)

JUNE = ("2026-06-01 00:00 UTC", "2026-06-08 00:00 UTC")  # Monday to Sunday


def history(*versions):
    return History(tuple(Version(instant(since), spec) for since, spec in versions))


@case("R10")
def test_edit_changes_nothing_before_it():
    plan = history(
        ("2026-06-01 00:00 UTC", schedule(always(ANN))),
        ("2026-06-04 09:30:45 UTC", schedule(always(BOB))),
    )

    assert rows(plan, "2026-05-30 00:00 UTC", JUNE[1]) == [
        row(ANN, "2026-06-01 00:00 UTC", "2026-06-04 09:30 UTC"),
        row(BOB, "2026-06-04 09:30 UTC", JUNE[1]),
    ]
    assert people(plan, "2026-05-31 00:00 UTC") == ()


def test_edit_that_changes_nobody_leaves_one_shift():
    plan = history(
        ("2026-06-01 00:00 UTC", schedule(always(ANN))),
        ("2026-06-04 09:30 UTC", schedule(always(ANN), always(BOB, rank=1))),
    )

    assert rows(plan, *JUNE) == [row(ANN, *JUNE)]


def test_of_two_edits_in_a_minute_the_later_counts():
    plan = history(
        ("2026-06-01 00:00:10 UTC", schedule(always(ANN))),
        ("2026-06-01 00:00:20 UTC", schedule(always(BOB))),
    )

    assert rows(plan, *JUNE) == [row(BOB, *JUNE)]


@case("X6")
def test_shift_that_began_before_the_window_and_goes_on_after_it():
    plan = history(
        ("2026-06-01 07:00 UTC", schedule(always(ANN))),
        ("2026-06-01 10:00 UTC", schedule(always(BOB))),
    )
    window = instant("2026-06-01 08:00 UTC"), instant("2026-06-01 09:00 UTC")

    (cut,) = shifts_between(plan, *window)
    (whole,) = whole_shifts_between(plan, *window)

    assert (cut.starts_at, cut.ends_at) == window
    assert whole.starts_at == instant("2026-06-01 07:00 UTC")
    assert whole.ends_at == instant("2026-06-01 10:00 UTC")


@case("X7")
def test_shift_that_ended_with_the_minute_is_not_shown_after_it():
    plan = history(
        ("2026-06-01 07:00 UTC", schedule(always(ANN))),
        ("2026-06-01 08:00:00.000001 UTC", schedule()),
    )

    assert rows(plan, "2026-06-01 08:00 UTC", "2026-06-01 09:00 UTC") == []


@case("X8")
def test_future_shows_the_rules_and_not_who_is_on_call_now():
    today = override("add", "2026-06-01 00:00 UTC", "2026-06-02 00:00 UTC", BOB)
    only_now = schedule(always(ANN), overrides=(today,))
    plan = history(("2026-06-01 00:00 UTC", only_now))

    shifts = whole_shifts_between(
        plan, instant("2026-06-05 00:00 UTC"), instant("2026-06-06 00:00 UTC")
    )

    assert [(shift.user_id, shift.starts_at) for shift in shifts] == [
        (ANN, instant("2026-06-01 00:00 UTC"))
    ]


def test_whole_shifts_are_followed_only_so_far():
    window = instant("2026-06-05 00:00 UTC"), instant("2026-06-06 00:00 UTC")
    reach = timedelta(days=20)

    (shift,) = whole_shifts_between(schedule(always(ANN)), *window, reach=reach)

    assert (shift.starts_at, shift.ends_at) == (window[0] - reach, window[1] + reach)


@case("P12")
def test_change_of_the_zone_drops_nobody():
    rota = layer("daily", 1, "2026-06-01 08:00 UTC", ANN, BOB)
    plan = history(
        ("2026-06-01 00:00 UTC", schedule(rota, zone="UTC")),
        ("2026-06-03 10:00 UTC", schedule(rota, zone="Asia/Tokyo")),
    )

    assert gaps_between(plan, *map(instant, JUNE)) == []
    assert people(plan, "2026-06-03 09:59 UTC") == people(plan, "2026-06-03 10:00 UTC")


def test_schedule_without_a_past_has_nobody_on_call():
    assert rows(History(), *JUNE) == []
    assert next_change(History(), instant(JUNE[0])) is None


# Sums


def test_hours_per_person_are_real_hours_and_count_each_person_once():
    again = override("add", "2026-06-02 00:00 UTC", "2026-06-03 00:00 UTC", ANN)
    days = always(BOB, restrictions=(rule("daily", "09:00", "21:00"),))
    plan = schedule(always(ANN), days, overrides=(again,))

    assert hours_per_person(plan, *map(instant, JUNE)) == {
        ANN: timedelta(days=7),
        BOB: 7 * timedelta(hours=12),
    }


@case("T1")
def test_hours_per_person_across_a_change_of_the_clocks():
    plan = schedule(layer("daily", 1, "2026-03-07 00:00 EST", ANN, BOB), zone="America/New_York")

    hours = hours_per_person(plan, instant("2026-03-07 00:00 EST"), instant("2026-03-09 00:00 EDT"))

    assert hours == {ANN: timedelta(hours=24), BOB: timedelta(hours=23)}


def test_gaps_are_cut_at_the_window():
    plan = schedule(always(ANN, restrictions=(rule("daily", "08:00", "20:00"),)))

    gaps = gaps_between(plan, instant("2026-06-01 06:00 UTC"), instant("2026-06-01 21:00 UTC"))

    assert [(gap.starts_at.hour, gap.ends_at.hour) for gap in gaps] == [(6, 8), (20, 21)]
