"""The dated cases of weekly restrictions: each row is one case, named by its number.

In 2026, 9 March and 26 October are Mondays. In New York the clocks go forward on Sunday 8 March,
02:00 EST to 03:00 EDT, and back on Sunday 1 November, 02:00 EDT to 01:00 EST.
"""

from datetime import timedelta

import pytest

from escalations.oncall import (
    History,
    Version,
    is_open,
    layer_shifts_between,
    on_call_at,
)
from tests.escalations.rotas import (
    ANN,
    BOB,
    NEW_YORK,
    always,
    case,
    instant,
    layer,
    row,
    rows,
    rule,
    schedule,
    shift_at,
)

WORKDAYS = "Mon Tue Wed Thu Fri"


def on(*rules, at, zone="UTC"):
    """Whether somebody always on call, but for these rules, is on call."""
    return on_call_at(schedule(always(ANN, restrictions=rules), zone=zone), instant(at)) == (ANN,)


def span_at(*rules, at, zone="UTC"):
    """The time in which a rule is open and an instant lies; None: none."""
    shift = shift_at(always(ANN, restrictions=rules), zone, instant(at), days=10)
    return (shift.starts_at, shift.ends_at) if shift else None


def next_span(*rules, at, zone="UTC"):
    """The first time in which a rule is open from an instant on."""
    start = instant(at)
    one = always(ANN, restrictions=rules)
    shift = layer_shifts_between(one, zone, start, start + timedelta(days=15))[0]
    return shift.starts_at, shift.ends_at


def span(starts_at, ends_at):
    return instant(starts_at), instant(ends_at)


# Plain weeks


@pytest.mark.parametrize(
    ("at", "is_on"),
    [
        pytest.param("2026-03-09 07:59 UTC", False, id="S1 before"),
        pytest.param("2026-03-09 08:00 UTC", True, id="S1 first minute"),
        pytest.param("2026-03-09 19:59 UTC", True, id="S1 last minute"),
        pytest.param("2026-03-09 20:00 UTC", False, id="S1 after"),
        pytest.param("2026-03-10 12:00 UTC", False, id="S1 Tuesday"),
    ],
)
def test_day_rule(at, is_on):
    assert on(rule("Mon", "08:00", "20:00"), at=at) is is_on
    assert is_open((rule("Mon", "08:00", "20:00"),), "UTC", instant(at)) is is_on


@pytest.mark.parametrize(
    ("at", "is_on"),
    [
        pytest.param("2026-03-09 19:59 UTC", False, id="S2 before"),
        pytest.param("2026-03-09 20:00 UTC", True, id="S2 first minute"),
        pytest.param("2026-03-10 07:59 UTC", True, id="S2 Tuesday, last minute"),
        pytest.param("2026-03-10 08:00 UTC", False, id="S2 Tuesday, after"),
        pytest.param("2026-03-09 07:00 UTC", False, id="S2 Sunday's night is not selected"),
    ],
)
def test_night_rule_belongs_to_the_day_it_starts(at, is_on):
    assert on(rule("Mon", "20:00", "08:00"), at=at) is is_on


@case("S3")
def test_whole_days_that_touch_are_one_span():
    rules = rule(WORKDAYS, "08:00", "08:00")

    assert span_at(rules, at="2026-03-11 03:00 UTC") == span(
        "2026-03-09 08:00 UTC", "2026-03-14 08:00 UTC"
    )
    assert not on(rules, at="2026-03-09 07:59 UTC")
    assert on(rules, at="2026-03-14 07:59 UTC")


@case("S4")
@pytest.mark.parametrize("hours", [0, 1, 23, 24, 25, 47])
def test_span_is_the_same_asked_anywhere_in_it(hours):
    at = f"{instant('2026-03-09 08:00 UTC') + timedelta(hours=hours):%Y-%m-%d %H:%M} UTC"

    assert span_at(rule("Mon Tue", "08:00", "08:00"), at=at) == span(
        "2026-03-09 08:00 UTC", "2026-03-11 08:00 UTC"
    )


@case("S5")
def test_every_day_all_day_is_always():
    assert rows(
        schedule(always(ANN, restrictions=(rule("daily", "00:00", "00:00"),))),
        "2026-03-01 00:00 UTC",
        "2026-04-01 00:00 UTC",
    ) == [row(ANN, "2026-03-01 00:00 UTC", "2026-04-01 00:00 UTC")]


@case("S5")
@pytest.mark.parametrize("skips", [False, True])
def test_rule_without_a_day_is_never(skips):
    nights = layer(
        *("daily", 1, "2026-03-01 00:00 UTC", ANN, BOB),
        restrictions=(rule("", "00:00", "00:00"),),
        skips_inactive=skips,
    )

    assert rows(schedule(nights), "2026-03-01 00:00 UTC", "2027-03-01 00:00 UTC") == []
    assert not is_open(nights.restrictions, "UTC", instant("2026-03-09 12:00 UTC"))


@pytest.mark.parametrize(
    ("at", "starts_at", "ends_at"),
    [
        pytest.param("2026-03-05 12:00", "2026-03-09 08:00", "2026-03-09 20:00", id="S6 Thursday"),
        pytest.param(
            "2026-03-09 20:00", "2026-03-16 08:00", "2026-03-16 20:00", id="S6 at its end"
        ),
    ],
)
def test_rule_that_is_not_open_opens_next_time(at, starts_at, ends_at):
    assert next_span(rule("Mon", "08:00", "20:00"), at=f"{at} UTC") == span(
        f"{starts_at} UTC", f"{ends_at} UTC"
    )


@pytest.mark.parametrize(
    ("at", "starts_at", "ends_at"),
    [
        pytest.param("2020-11-01 12:00", "2020-10-28 00:00", "2020-11-03 00:00", id="S13 Sunday"),
        pytest.param("2020-10-27 12:00", "2020-10-28 00:00", "2020-11-03 00:00", id="S13 Tuesday"),
    ],
)
def test_span_over_the_end_of_the_week(at, starts_at, ends_at):
    days = rule("Wed Thu Fri Sat Sun Mon", "00:00", "00:00")
    found = span_at(days, at=f"{at} UTC") or next_span(days, at=f"{at} UTC")

    assert found == span(f"{starts_at} UTC", f"{ends_at} UTC")


# When the clocks change


@pytest.mark.parametrize(
    ("rules", "at", "starts_at", "ends_at", "hours"),
    [
        pytest.param(
            *(rule("daily", "22:00", "06:00"), "2026-03-08 00:00 EST"),
            *("2026-03-07 22:00 EST", "2026-03-08 06:00 EDT", 7),
            id="S7 night, spring",
        ),
        pytest.param(
            *(rule("daily", "22:00", "06:00"), "2026-11-01 00:00 EDT"),
            *("2026-10-31 22:00 EDT", "2026-11-01 06:00 EST", 9),
            id="S7 night, autumn",
        ),
        pytest.param(
            *(rule("Sun", "00:00", "00:00"), "2026-03-08 12:00 EDT"),
            *("2026-03-08 00:00 EST", "2026-03-09 00:00 EDT", 23),
            id="S8 all day, spring",
        ),
        pytest.param(
            *(rule("Sun", "00:00", "00:00"), "2026-11-01 12:00 EST"),
            *("2026-11-01 00:00 EDT", "2026-11-02 00:00 EST", 25),
            id="S8 all day, autumn",
        ),
        pytest.param(
            *(rule("daily", "01:00", "02:00"), "2026-11-01 01:30 EST"),
            *("2026-11-01 01:00 EDT", "2026-11-01 02:00 EST", 2),
            id="S11 the repeated hour is both",
        ),
        pytest.param(
            *(rule("daily", "00:00", "02:00"), "2026-11-01 01:30 EDT"),
            *("2026-11-01 00:00 EDT", "2026-11-01 02:00 EST", 3),
            id="S12 into the repeated hour",
        ),
    ],
)
def test_rule_when_the_clocks_change(rules, at, starts_at, ends_at, hours):
    found = span_at(rules, at=at, zone=NEW_YORK)

    assert found == span(starts_at, ends_at)
    assert found[1] - found[0] == timedelta(hours=hours)


@case("S9", "R2", "R3")
def test_rules_that_meet_in_the_repeated_hour_overlap():
    days = always(ANN, restrictions=(rule("daily", "09:00", "01:30"),))
    nights = always(BOB, restrictions=(rule("daily", "01:30", "09:00"),))
    plan = schedule(days, nights, zone=NEW_YORK)

    assert rows(plan, "2026-10-31 12:00 EDT", "2026-11-01 12:00 EST") == [
        row(ANN, "2026-10-31 12:00 EDT", "2026-11-01 01:30 EST"),
        row(BOB, "2026-11-01 01:30 EDT", "2026-11-01 09:00 EST"),
        row(ANN, "2026-11-01 09:00 EST", "2026-11-01 12:00 EST"),
    ]


@case("S9", "R4")
def test_rules_that_meet_in_the_skipped_hour_meet_after_it():
    days = always(ANN, restrictions=(rule("daily", "09:00", "02:30"),))
    nights = always(BOB, restrictions=(rule("daily", "02:30", "09:00"),))
    plan = schedule(days, nights, zone=NEW_YORK)

    assert rows(plan, "2026-03-08 00:00 EST", "2026-03-08 09:00 EDT") == [
        row(ANN, "2026-03-08 00:00 EST", "2026-03-08 03:00 EDT"),
        row(BOB, "2026-03-08 03:00 EDT", "2026-03-08 09:00 EDT"),
    ]


@case("S10")
def test_rule_within_the_skipped_hour_is_nobodys_that_day():
    plan = schedule(always(ANN, restrictions=(rule("daily", "02:00", "03:00"),)), zone=NEW_YORK)

    assert rows(plan, "2026-03-07 00:00 EST", "2026-03-10 00:00 EDT") == [
        row(ANN, "2026-03-07 02:00 EST", "2026-03-07 03:00 EST"),
        row(ANN, "2026-03-09 02:00 EDT", "2026-03-09 03:00 EDT"),
    ]


# Together with rotations


def test_turn_is_cut_to_the_rules_and_passes_on_between_them():
    nights = layer(
        *("daily", 1, "2026-03-09 00:00 UTC", ANN, BOB),
        restrictions=(rule("daily", "20:00", "08:00"),),
    )

    assert rows(schedule(nights), "2026-03-09 12:00 UTC", "2026-03-11 12:00 UTC") == [
        row(ANN, "2026-03-09 20:00 UTC", "2026-03-10 00:00 UTC"),
        row(BOB, "2026-03-10 00:00 UTC", "2026-03-10 08:00 UTC"),
        row(BOB, "2026-03-10 20:00 UTC", "2026-03-11 00:00 UTC"),
        row(ANN, "2026-03-11 00:00 UTC", "2026-03-11 08:00 UTC"),
    ]


def test_shift_shorter_than_the_rotation_leaves_the_rest_of_the_turn_to_nobody():
    mornings = layer("daily", 1, "2026-03-09 08:00 UTC", ANN, BOB, shift_hours=4)

    assert rows(schedule(mornings), "2026-03-09 00:00 UTC", "2026-03-11 00:00 UTC") == [
        row(ANN, "2026-03-09 08:00 UTC", "2026-03-09 12:00 UTC"),
        row(BOB, "2026-03-10 08:00 UTC", "2026-03-10 12:00 UTC"),
    ]


def test_shift_longer_than_the_rotation_ends_at_the_handoff():
    days = layer("daily", 1, "2026-03-09 08:00 UTC", ANN, BOB, shift_hours=40)

    assert rows(schedule(days), "2026-03-09 08:00 UTC", "2026-03-11 08:00 UTC") == [
        row(ANN, "2026-03-09 08:00 UTC", "2026-03-10 08:00 UTC"),
        row(BOB, "2026-03-10 08:00 UTC", "2026-03-11 08:00 UTC"),
    ]


@pytest.mark.parametrize(
    ("starts_at", "ends_at"),
    [
        # Clock time: 8 hours from 22:00 end at 06:00, however long the night is.
        ("2026-03-07 22:00 EST", "2026-03-08 06:00 EDT"),
        ("2026-10-31 22:00 EDT", "2026-11-01 06:00 EST"),
    ],
)
def test_short_shift_ends_by_the_clock(starts_at, ends_at):
    nights = layer("daily", 1, "2026-03-01 22:00 EST", ANN, BOB, shift_hours=8)

    shift = shift_at(nights, NEW_YORK, instant(starts_at))

    assert (shift.starts_at, shift.ends_at) == span(starts_at, ends_at)


@case("R3")
def test_short_shift_that_ends_in_the_repeated_hour_ends_the_second_time():
    nights = layer("daily", 1, "2026-03-01 22:00 EST", ANN, BOB, shift_hours=3)

    shift = shift_at(nights, NEW_YORK, instant("2026-10-31 22:00 EDT"))

    assert shift.ends_at == instant("2026-11-01 01:00 EST")


# What changes


@case("R10")
def test_rules_may_change_and_the_past_keeps_the_old_ones():
    old = schedule(always(ANN, restrictions=(rule("daily", "08:00", "20:00"),)))
    new = schedule(always(ANN, restrictions=(rule("daily", "10:00", "12:00"),)))
    history = History(
        (
            Version(instant("2026-03-01 00:00 UTC"), old),
            Version(instant("2026-03-09 11:00 UTC"), new),
        )
    )

    assert rows(history, "2026-03-08 00:00 UTC", "2026-03-11 00:00 UTC") == [
        row(ANN, "2026-03-08 08:00 UTC", "2026-03-08 20:00 UTC"),
        row(ANN, "2026-03-09 08:00 UTC", "2026-03-09 12:00 UTC"),
        row(ANN, "2026-03-10 10:00 UTC", "2026-03-10 12:00 UTC"),
    ]
