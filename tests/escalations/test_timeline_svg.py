"""Where bars stand on the timeline of a schedule: percentages of the window, pixels of the row."""

from datetime import UTC, date, datetime, timedelta

import pytest

from escalations.timeline_svg import (
    LANE,
    PAD,
    TONES,
    Bar,
    Chart,
    Row,
    day_start,
    draw_chart,
    span_text,
    tones_of,
)

VIENNA = "Europe/Vienna"
ANN, BOB = 1, 2
NAMES = {ANN: "Ann Moser", BOB: "Bob"}
MONDAY = date(2026, 11, 23)
HOUR = timedelta(hours=1)


def chart(
    *bars: Bar,
    first: date = MONDAY,
    days: int = 1,
    draws_gaps: bool = False,
    now: datetime | None = None,
    zone: str = VIENNA,
) -> Chart:
    """A chart with one row."""
    start = day_start(first, zone)
    return draw_chart(
        [Row("final", bars, draws_gaps=draws_gaps)],
        start=start,
        end=day_start(first + timedelta(days=days), zone),
        zone=zone,
        now=now or start - HOUR,
        names=NAMES,
        tones=tones_of(NAMES),
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_bar_stands_where_its_time_is() -> None:
    (piece,) = (
        chart(Bar(at("2026-11-23T06:00+01:00"), at("2026-11-23T18:00+01:00"), ANN)).rows[0].pieces
    )

    assert (piece.x, piece.width) == ("25%", "50%")
    assert (piece.y, piece.height) == (PAD, LANE)


def test_bar_is_cut_at_the_window_but_says_its_whole_time() -> None:
    (piece,) = (
        chart(Bar(at("2026-11-22T18:00+01:00"), at("2026-11-24T18:00+01:00"), ANN)).rows[0].pieces
    )

    assert (piece.x, piece.width) == ("0%", "100%")
    assert piece.title == "Ann Moser: Sun 22 Nov 18:00 to Tue 24 Nov 18:00 (Europe/Vienna)"


@pytest.mark.parametrize("edge", ["2026-11-22T12:00+01:00", "2026-11-24T00:00+01:00"])
def test_bars_outside_the_window_are_left_out(edge: str) -> None:
    outside = Bar(at(edge), at(edge) + 12 * HOUR, ANN)

    assert chart(outside).rows[0].pieces == ()


def test_people_on_call_together_stand_below_each_other() -> None:
    ann = Bar(at("2026-11-23T00:00+01:00"), at("2026-11-23T12:00+01:00"), ANN)
    bob = Bar(at("2026-11-23T06:00+01:00"), at("2026-11-23T18:00+01:00"), BOB)

    row = chart(ann, bob).rows[0]

    assert [piece.y for piece in row.pieces] == [PAD, PAD + LANE]
    assert row.height == PAD * 2 + LANE * 2


def test_gaps_fill_the_holes_over_the_whole_height() -> None:
    ann = Bar(at("2026-11-23T06:00+01:00"), at("2026-11-23T12:00+01:00"), ANN)
    bob = Bar(at("2026-11-23T06:00+01:00"), at("2026-11-23T18:00+01:00"), BOB)

    row = chart(ann, bob, draws_gaps=True).rows[0]

    gaps = [piece for piece in row.pieces if piece.tone == 0]
    assert [(gap.x, gap.width) for gap in gaps] == [("0%", "25%"), ("75%", "25%")]
    assert {gap.height for gap in gaps} == {row.height - 2 * PAD}
    assert gaps[0].title == "Nobody: Mon 23 Nov 00:00 to 06:00 (Europe/Vienna)"


def test_row_without_anybody_is_one_gap_when_gaps_are_drawn() -> None:
    assert chart().rows[0].pieces == ()
    (gap,) = chart(draws_gaps=True).rows[0].pieces
    assert (gap.x, gap.width, gap.text) == ("0%", "100%", "Nobody")


# 29 March 2026: 23 hours; 25 October: 25. Noon is later or earlier than the middle.
@pytest.mark.parametrize(
    ("day", "hours", "noon"),
    [(date(2026, 3, 29), 23, 11 / 23), (date(2026, 10, 25), 25, 13 / 25), (MONDAY, 24, 0.5)],
)
def test_days_on_which_clocks_change_are_as_long_as_they_are(
    day: date, hours: int, noon: float
) -> None:
    start = day_start(day, VIENNA)
    twelve = datetime.combine(day, datetime.min.time()).replace(hour=12)
    shift = Bar(start, start + timedelta(hours=hours * noon), ANN)

    found = chart(shift, first=day)

    assert found.ends_at - found.starts_at == timedelta(hours=hours)
    assert float(found.rows[0].pieces[0].width.rstrip("%")) == pytest.approx(noon * 100, abs=0.01)
    assert found.rows[0].pieces[0].title.endswith(f"{twelve:%H:%M} (Europe/Vienna)")


def test_hours_that_occur_twice_have_two_lines() -> None:
    assert len(chart(first=date(2026, 10, 25)).ticks) == 25
    assert len(chart(first=date(2026, 3, 29)).ticks) == 23


def test_days_of_a_week_start_at_its_midnights() -> None:
    found = chart(first=date(2026, 10, 19), days=7)

    assert [tick.text for tick in found.ticks][-1] == "Sun 25 Oct"
    # Six days of 24 hours, one of 25.
    assert float(found.ticks[6].x.rstrip("%")) == pytest.approx(144 / 169 * 100, abs=0.01)


def test_midnight_that_does_not_exist_is_the_first_instant_of_the_day() -> None:
    # In Beirut the clocks go from 00:00 to 01:00 on 29 March 2026.
    found = chart(first=date(2026, 3, 28), days=3, zone="Asia/Beirut")

    assert day_start(date(2026, 3, 29), "Asia/Beirut") == datetime(2026, 3, 28, 22, tzinfo=UTC)
    assert [tick.text for tick in found.ticks] == ["Sat 28 Mar", "Sun 29 Mar", "Mon 30 Mar"]


def test_weekends_are_shaded() -> None:
    (weekend, sunday) = chart(days=7).shades

    assert float(weekend.x.rstrip("%")) == pytest.approx(5 / 7 * 100, abs=0.01)
    assert float(sunday.width.rstrip("%")) == pytest.approx(1 / 7 * 100, abs=0.01)


def test_now_is_drawn_only_inside_the_window() -> None:
    assert chart(now=at("2026-11-23T12:00+01:00")).now_x == "50%"
    assert chart(now=at("2026-11-24T00:00+01:00")).now_x == ""
    assert chart(now=at("2026-11-22T23:59+01:00")).now_x == ""


def test_names_are_as_long_as_there_is_room() -> None:
    midnight = at("2026-11-23T00:00+01:00")
    bars = [
        Bar(midnight, midnight + 4 * HOUR, ANN),
        Bar(midnight + 4 * HOUR, midnight + 5.5 * HOUR, ANN),
        Bar(midnight + 6 * HOUR, midnight + 6.7 * HOUR, ANN),
        Bar(midnight + 7 * HOUR, midnight + 7.3 * HOUR, ANN),
    ]

    texts = [piece.text for piece in chart(*bars).rows[0].pieces]

    assert texts == ["Ann Moser", "Ann", "AM", ""]


def test_shifts_too_short_to_see_are_drawn_as_one() -> None:
    start = at("2026-11-01T00:00+01:00")
    hourly = [Bar(start + n * HOUR, start + (n + 1) * HOUR, 1 + n % 2) for n in range(720)]

    row = chart(*hourly, first=date(2026, 11, 1), days=30).rows[0]

    assert len(row.pieces) < 100
    assert row.pieces[0].title.startswith("Several shifts, 2 people: Sun 1 Nov 00:00 to")
    assert row.pieces[-1].bar.ends_at == hourly[-1].ends_at


def test_past_bars_are_marked() -> None:
    midnight = at("2026-11-23T00:00+01:00")
    bars = [
        Bar(midnight, midnight + 6 * HOUR, ANN),
        Bar(midnight + 6 * HOUR, midnight + 9 * HOUR, BOB),
    ]

    row = chart(*bars, now=midnight + 6 * HOUR).rows[0]

    assert [piece.is_past for piece in row.pieces] == [True, False]


def test_window_without_time_is_refused() -> None:
    with pytest.raises(ValueError, match="ends before"):
        chart(days=0)


# Colours


def test_people_keep_their_tone_whoever_else_is_there() -> None:
    assert tones_of([7])[7] == tones_of([3, 7, 12])[7]


def test_people_of_one_page_have_different_tones_as_long_as_there_are_any() -> None:
    ids = [1, 13, 25, 2, 14]

    assert len(set(tones_of(ids).values())) == len(ids)
    assert set(tones_of(range(40)).values()) == set(range(1, TONES + 1))


def test_day_is_said_twice_only_when_it_is_another() -> None:
    nine = at("2026-11-23T09:00+01:00")

    assert span_text(nine, nine + 8 * HOUR, VIENNA) == "Mon 23 Nov 09:00 to 17:00"
    assert span_text(nine, nine + 24 * HOUR, VIENNA) == "Mon 23 Nov 09:00 to Tue 24 Nov 09:00"
