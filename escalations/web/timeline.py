"""The timeline of a schedule: its layers, what differs from them, and who is on call in the end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from escalations import oncall
from escalations.models import Override, ScheduleLayer, TemporarySchedule
from escalations.oncall import Shift
from escalations.selectors import Chronicle, Rota
from escalations.timeline_svg import (
    Bar,
    BarKind,
    Chart,
    DrawnRow,
    Row,
    draw_chart,
    tones_of,
)
from escalations.web.shift_lists import merged_shifts
from escalations.web.shown import Span

# Shifts are calculated this far beyond the window, so that those at its edges say their whole time.
MARGIN = timedelta(days=14)
GONE = "Deleted person"
FINAL, OVERRIDES, TEMPORARY = "final", "overrides", "temporary"
KINDS: dict[str, BarKind] = {"layer": "shift", "override": "override", "temporary": "temporary"}


@dataclass(frozen=True)
class LabelledRow:
    """A drawn row and what stands beside it."""

    drawn: DrawnRow
    label: str
    layer: ScheduleLayer | None = None
    is_final: bool = False


@dataclass(frozen=True)
class ShiftLine:
    """A line of the table: a shift, or a time in which nobody is on call."""

    starts_at: datetime
    ends_at: datetime
    name: str  # empty: nobody
    source: str
    kind: str
    is_now: bool
    is_cut: bool  # it begins before or ends after what was calculated


@dataclass(frozen=True)
class Timeline:
    """A chart with its rows named, and the same shifts for the table."""

    chart: Chart
    rows: tuple[LabelledRow, ...]
    lines: list[ShiftLine] = field(default_factory=list)
    tones: Mapping[int, int] = field(default_factory=dict)

    @property
    def has_gaps(self) -> bool:
        """Whether nobody is on call at some time of the window."""
        return any(not line.name for line in self.lines)


def timeline_of(
    chronicle: Chronicle,
    *,
    overrides: Iterable[Override],
    temporaries: Iterable[TemporarySchedule],
    window: Span,
    now: datetime,
) -> Timeline:
    """All rows of a schedule: its layers as they are, who was and will be on call through time.

    `overrides` and `temporaries` are those of the window. Raises one of UNREADABLE for a schedule
    that cannot be calculated.
    """
    rota, names = chronicle.rota, chronicle.names
    start, end = window.start - MARGIN, window.end + MARGIN
    shifts = merged_shifts(oncall.shifts_between(chronicle.history, start, end))
    tones = tones_of({*names, *(shift.user_id for shift in shifts)})
    above = [*_layer_rows(rota, window), _override_row(overrides), _temporary_row(temporaries)]
    rows = [row for row, _, layer in above if layer or _is_shown(row, window)]
    rows.append(Row(FINAL, [_bar(shift) for shift in shifts], draws_gaps=True))
    chart = _chart(rows, window, now, names, tones)
    labels = {row.key: (label, layer) for row, label, layer in above}
    labels[FINAL] = ("On call", None)
    return Timeline(
        chart=chart,
        rows=tuple(
            LabelledRow(drawn, *labels[drawn.key], is_final=drawn.key == FINAL)
            for drawn in chart.rows
        ),
        lines=shift_lines(shifts, window=window, now=now, names=names),
        tones=tones,
    )


def preview_of(rota: Rota, *, layer_id: int | None, window: Span, now: datetime) -> Timeline:
    """Two rows: one layer by itself, and who would be on call; raises one of UNREADABLE."""
    start, end = window.start - MARGIN, window.end + MARGIN
    names = {pk: str(user) for pk, user in rota.people.items()}
    shifts = merged_shifts(oncall.shifts_between(rota.spec, start, end))
    tones = tones_of(names)
    own = [row for row in _layer_rows(rota, window) if row[2] and row[2].pk == layer_id]
    rows = [*(row for row, _, _ in own)]
    rows.append(Row(FINAL, [_bar(shift) for shift in shifts], draws_gaps=True))
    chart = _chart(rows, window, now, names, tones, is_narrow=True)
    return Timeline(
        chart=chart,
        rows=tuple(
            LabelledRow(
                drawn,
                "On call" if drawn.key == FINAL else "This layer",
                is_final=drawn.key == FINAL,
            )
            for drawn in chart.rows
        ),
        lines=shift_lines(shifts, window=window, now=now, names=names),
        tones=tones,
    )


def shift_lines(
    shifts: Sequence[Shift], *, window: Span, now: datetime, names: Mapping[int, str]
) -> list[ShiftLine]:
    """What the window shows, as lines, with the gaps between."""
    first, last = window.start - MARGIN, window.end + MARGIN
    shown = [s for s in shifts if s.ends_at > window.start and s.starts_at < window.end]
    lines = [
        ShiftLine(
            starts_at=shift.starts_at,
            ends_at=shift.ends_at,
            name=names.get(shift.user_id, GONE),
            source=shift.source,
            kind=shift.kind,
            is_now=shift.starts_at <= now < shift.ends_at,
            is_cut=shift.starts_at <= first or shift.ends_at >= last,
        )
        for shift in shown
    ]
    lines += [
        ShiftLine(start, end, "", "", "gap", start <= now < end, is_cut=False)
        for start, end in _uncovered(
            window.start, window.end, ((s.starts_at, s.ends_at) for s in shown)
        )
    ]
    return sorted(lines, key=lambda line: (line.starts_at, line.ends_at))


def _chart(
    rows: Iterable[Row],
    window: Span,
    now: datetime,
    names: Mapping[int, str],
    tones: Mapping[int, int],
    is_narrow: bool = False,
) -> Chart:
    return draw_chart(
        rows,
        start=window.start,
        end=window.end,
        zone=window.zone,
        now=now,
        names=names,
        tones=tones,
        is_narrow=is_narrow,
    )


# Rows

LabelledBars = tuple[Row, str, ScheduleLayer | None]


def _layer_rows(rota: Rota, window: Span) -> list[LabelledBars]:
    """The layers as they are now; what was is in the last row."""
    start, end = window.start - MARGIN, window.end + MARGIN
    found: list[LabelledBars] = []
    for row, layer in zip(rota.layers, rota.spec.layers, strict=True):
        shifts = oncall.layer_shifts_between(layer, rota.spec.zone, start, end)
        found.append((Row(f"layer-{row.pk}", [_bar(shift) for shift in shifts]), row.name, row))
    return found


def _override_row(overrides: Iterable[Override]) -> LabelledBars:
    bars = [
        Bar(
            override.starts_at,
            override.ends_at,
            override.user_id or override.replaces_id,
            "override",
            override_text(override),
        )
        for override in overrides
    ]
    return Row(OVERRIDES, bars), "Overrides", None


def override_text(override: Override) -> str:
    """What an override does: "instead of Bob"."""
    match Override.Kind(override.kind):
        case Override.Kind.ADD:
            return "in addition"
        case Override.Kind.REMOVE:
            return "taken off call"
        case Override.Kind.REPLACE:
            return f"instead of {override.replaces or 'everybody'}"


def _temporary_row(temporaries: Iterable[TemporarySchedule]) -> LabelledBars:
    bars: list[Bar] = []
    for temporary in temporaries:
        shifts = list(temporary.shifts.all())
        name = temporary.name or "temporary schedule"
        bars += [
            Bar(shift.starts_at, shift.ends_at, shift.user_id, "temporary", name)
            for shift in shifts
        ]
        spans = [(shift.starts_at, shift.ends_at) for shift in shifts]
        holes = _uncovered(temporary.starts_at, temporary.ends_at, spans)
        bars += [Bar(start, end, None, "gap", name) for start, end in holes]
    return Row(TEMPORARY, bars), "Temporary", None


def _uncovered(
    start: datetime, end: datetime, spans: Iterable[tuple[datetime, datetime]]
) -> Iterable[tuple[datetime, datetime]]:
    moment = start
    for first, last in sorted(spans):
        if first > moment:
            yield moment, first
        moment = max(moment, last)
    if moment < end:
        yield moment, end


def _is_shown(row: Row, window: Span) -> bool:
    return any(bar.ends_at > window.start and bar.starts_at < window.end for bar in row.bars)


def _bar(shift: Shift) -> Bar:
    return Bar(shift.starts_at, shift.ends_at, shift.user_id, KINDS[shift.kind], shift.source)
