"""Where the bars of a schedule's timeline stand: instants in, geometry out; a template draws it.

Pure: no ORM, no clock. Horizontal places are percentages of the width ("12.5%"), because the
browser knows how wide it is; vertical ones are pixels. Time runs evenly, so a day of 25 hours is
wider than its neighbours. Days, hours and texts are by the wall clock of the zone that is shown.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from opsknight.wall_clock import first_instant, wall_time

TONES = 12  # --person-1 to --person-12 of tokens.css
LANE, PAD = 28, 4  # pixels: height of a bar, and the air above and below it
# Narrower bars (per cent) cannot be seen; neighbours are drawn as one until it is this wide.
NARROWEST, MANY = 0.25, 1.2
# What a text needs, for choosing how much of a name to write; the bar cuts off the rest.
ASSUMED_WIDTH, PER_CHARACTER, TEXT_PAD = 940, 6.6, 12

BarKind = Literal["shift", "override", "temporary", "gap", "many"]


@dataclass(frozen=True)
class Bar:
    """A time of one row: somebody's shift, or a gap (`user_id` None)."""

    starts_at: datetime
    ends_at: datetime
    user_id: int | None
    kind: BarKind = "shift"
    source: str = ""  # the layer or override it comes from, for the text on hover


@dataclass(frozen=True)
class Row:
    """One line of the timeline, before it is drawn."""

    key: str  # unique in the chart, part of ids
    bars: Sequence[Bar]
    draws_gaps: bool = False  # holes between the bars are gaps, not just nothing


@dataclass(frozen=True)
class Piece:
    """A bar with its place in the row."""

    bar: Bar
    x: str
    width: str
    y: int
    height: int
    text: str  # as much of the name as there is room for
    title: str  # name, times, zone, source
    tone: int  # 1 to TONES; 0 for a gap
    is_past: bool


@dataclass(frozen=True)
class DrawnRow:
    """A row with its pieces; `height` in pixels."""

    key: str
    height: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Tick:
    """A vertical line; `text` stands at the right of it on the axis."""

    x: str
    text: str
    is_major: bool


@dataclass(frozen=True)
class Shade:
    """A weekend."""

    x: str
    width: str


@dataclass(frozen=True)
class Chart:
    """Everything a template needs to draw."""

    starts_at: datetime
    ends_at: datetime
    zone: str
    rows: tuple[DrawnRow, ...]
    ticks: tuple[Tick, ...]
    shades: tuple[Shade, ...]
    now_x: str  # empty: now is not in the window


@dataclass(frozen=True)
class Scale:
    """A window of time; [start, end)."""

    start: datetime
    end: datetime
    zone: str

    def at(self, instant: datetime) -> float:
        """Where an instant stands, in per cent of the width; cut at the edges."""
        share = (instant - self.start) / (self.end - self.start) * 100
        return min(max(share, 0.0), 100.0)


def draw_chart(
    rows: Iterable[Row],
    *,
    start: datetime,
    end: datetime,
    zone: str,
    now: datetime,
    names: Mapping[int, str],
    tones: Mapping[int, int],
    is_narrow: bool = False,
) -> Chart:
    """Place all bars of a window [start, end); `names` and `tones` by user id.

    `is_narrow`: for half a page, with shorter texts.

    Raises ValueError for a window without time.
    """
    if end <= start:
        raise ValueError("the window ends before it starts")
    scale = Scale(start.astimezone(UTC), end.astimezone(UTC), zone)
    days = list(_days(scale))
    return Chart(
        starts_at=scale.start,
        ends_at=scale.end,
        zone=zone,
        rows=tuple(_draw_row(row, scale, now, names, tones) for row in rows),
        ticks=tuple(_ticks(scale, days, is_narrow=is_narrow)),
        shades=tuple(_shades(scale, days)),
        now_x=_percent(scale.at(now)) if scale.start <= now < scale.end else "",
    )


def tones_of(user_ids: Iterable[int]) -> dict[int, int]:
    """A tone for each person: the same one everywhere, unless two people of one page share it.

    Then the one with the higher id takes the next free tone. After twelve people tones repeat.
    """
    tones: dict[int, int] = {}
    taken: set[int] = set()
    for user_id in sorted(set(user_ids)):
        if len(taken) == TONES:
            taken.clear()
        wanted = user_id % TONES
        while wanted in taken:
            wanted = (wanted + 1) % TONES
        taken.add(wanted)
        tones[user_id] = wanted + 1
    return tones


def day_start(day: date, zone: str) -> datetime:
    """The first instant of a day on the wall clock of a zone, also where midnight is skipped."""
    return first_instant(datetime.combine(day, time()), zone)


def span_text(starts_at: datetime, ends_at: datetime, zone: str) -> str:
    """ "Mon 23 Nov 09:00 to 17:00": the day is not said twice."""
    first, last = wall_time(starts_at, zone), wall_time(ends_at, zone)
    end = f"{last:%H:%M}" if first.date() == last.date() else _moment(last)
    return f"{_moment(first)} to {end}"


def _moment(wall: datetime) -> str:
    return f"{wall:%a} {wall.day} {wall:%b %H:%M}"


# Rows


def _draw_row(
    row: Row,
    scale: Scale,
    now: datetime,
    names: Mapping[int, str],
    tones: Mapping[int, int],
) -> DrawnRow:
    shown = [bar for bar in row.bars if bar.ends_at > scale.start and bar.starts_at < scale.end]
    shown.sort(key=lambda bar: (bar.starts_at, bar.ends_at))
    holes = list(_holes(shown, scale)) if row.draws_gaps else []
    lanes = _lanes([bar for bar in shown if bar.user_id is not None])
    height = PAD * 2 + LANE * max(len(lanes), 1)
    pieces = [
        _piece(bar, scale, now, names, tones, PAD + LANE * number)
        for number, lane in enumerate(lanes)
        for bar in _gathered(lane, scale)
    ]
    for hole in (*holes, *(bar for bar in shown if bar.user_id is None)):
        piece = _piece(hole, scale, now, names, tones, PAD)
        pieces.append(replace(piece, height=height - PAD * 2))
    pieces.sort(key=lambda piece: (piece.bar.starts_at, piece.y))
    return DrawnRow(row.key, height, tuple(pieces))


def _holes(bars: Sequence[Bar], scale: Scale) -> Iterator[Bar]:
    """The times of the window in which no bar is."""
    moment = scale.start
    for bar in bars:
        if bar.starts_at > moment:
            yield Bar(moment, bar.starts_at, None, "gap")
        moment = max(moment, bar.ends_at)
    if moment < scale.end:
        yield Bar(moment, scale.end, None, "gap")


def _lanes(bars: Sequence[Bar]) -> list[list[Bar]]:
    """Bars of the same time below each other; a person stays in their lane where it is free."""
    lanes: list[list[Bar]] = []
    for bar in bars:
        free = [lane for lane in lanes if lane[-1].ends_at <= bar.starts_at]
        own = [lane for lane in free if lane[-1].user_id == bar.user_id]
        if free:
            (own or free)[0].append(bar)
        else:
            lanes.append([bar])
    return lanes


def _gathered(lane: Sequence[Bar], scale: Scale) -> Iterator[Bar]:
    """The bars of a lane; too narrow ones that touch become one bar of kind "many"."""
    waiting: list[Bar] = []
    for bar in lane:
        is_narrow = scale.at(bar.ends_at) - scale.at(bar.starts_at) < NARROWEST
        touches = bool(waiting) and waiting[-1].ends_at == bar.starts_at
        if waiting and (not is_narrow or not touches or _width(waiting, scale) >= MANY):
            yield _as_one(waiting)
            waiting = []
        if is_narrow:
            waiting.append(bar)
        else:
            yield bar
    if waiting:
        yield _as_one(waiting)


def _width(bars: Sequence[Bar], scale: Scale) -> float:
    return scale.at(bars[-1].ends_at) - scale.at(bars[0].starts_at)


def _as_one(bars: Sequence[Bar]) -> Bar:
    if len(bars) == 1:
        return bars[0]
    ids = {bar.user_id for bar in bars}
    people = f"{len(ids)} people" if len(ids) > 1 else ""
    return Bar(bars[0].starts_at, bars[-1].ends_at, bars[0].user_id, "many", people)


def _piece(
    bar: Bar,
    scale: Scale,
    now: datetime,
    names: Mapping[int, str],
    tones: Mapping[int, int],
    y: int,
) -> Piece:
    left, right = scale.at(bar.starts_at), scale.at(bar.ends_at)
    name = "Nobody" if bar.user_id is None else names.get(bar.user_id, "Somebody deleted")
    who = f"Several shifts, {bar.source or name}" if bar.kind == "many" else name
    title = f"{who}: {span_text(bar.starts_at, bar.ends_at, scale.zone)} ({scale.zone})"
    if bar.source and bar.kind != "many":
        title = f"{title}, {bar.source}"
    return Piece(
        bar=bar,
        x=_percent(left),
        width=_percent(right - left),
        y=y,
        height=LANE,
        text=_text_of(bar, name, right - left),
        title=title,
        tone=0 if bar.user_id is None else tones.get(bar.user_id, 1),
        is_past=bar.ends_at <= now,
    )


def _text_of(bar: Bar, name: str, width: float) -> str:
    """The name, the first name or the initials: the longest one for which there is room."""
    words = name.split() or ["?"]
    initials = "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()
    room = width / 100 * ASSUMED_WIDTH - TEXT_PAD
    if bar.kind == "many":
        return ""
    texts = (name,) if bar.user_id is None else (name, words[0], initials)
    return next((text for text in texts if len(text) * PER_CHARACTER <= room), "")


# The axis


def _days(scale: Scale) -> Iterator[tuple[date, datetime]]:
    """The days of the window with their first instants; the first may lie before the window."""
    day = wall_time(scale.start, scale.zone).date()
    while (instant := day_start(day, scale.zone)) < scale.end:
        yield day, instant
        day += timedelta(days=1)


def _ticks(
    scale: Scale, days: Sequence[tuple[date, datetime]], *, is_narrow: bool
) -> Iterator[Tick]:
    if len(days) <= 2:
        yield from _hour_ticks(scale)
        return
    forms = (
        ("{0:%a} {1}", "{1}", "{1}") if is_narrow else ("{0:%a} {1} {0:%b}", "{0:%a} {1}", "{1}")
    )
    form = forms[0] if len(days) <= 8 else forms[1] if len(days) <= 15 else forms[2]
    for day, instant in days:
        if instant >= scale.start:
            is_major = len(days) <= 15 or day.weekday() == 0
            yield Tick(_percent(scale.at(instant)), form.format(day, day.day), is_major)


def _hour_ticks(scale: Scale) -> Iterator[Tick]:
    """A line each hour that passes, also the one that occurs twice; a text every three."""
    moment = scale.start
    while moment < scale.end:
        wall = wall_time(moment, scale.zone)
        if wall.minute == 0:
            is_major = wall.hour % 3 == 0
            text = f"{wall:%H:%M}" if is_major else ""
            yield Tick(_percent(scale.at(moment)), text, is_major)
        moment += timedelta(minutes=60 - wall.minute)


def _shades(scale: Scale, days: Sequence[tuple[date, datetime]]) -> Iterator[Shade]:
    for number, (day, instant) in enumerate(days):
        if day.weekday() < 5:
            continue
        end = days[number + 1][1] if number + 1 < len(days) else scale.end
        left = scale.at(instant)
        yield Shade(_percent(left), _percent(scale.at(end) - left))


def _percent(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") + "%"
