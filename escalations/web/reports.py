"""The month calendar of a schedule, and who carries how much of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_safe

from escalations import oncall, selectors
from escalations.fairness import Load, loads_of
from escalations.timeline_svg import day_start, tones_of
from escalations.web.schedule_shell import shell_of
from escalations.web.shift_lists import merged_shifts
from escalations.web.shown import View, Window, read_day, read_window
from escalations.web.timeline import GONE
from incidents.web.answers import signed_in
from opsknight.wall_clock import wall_time

MAX_DAYS = 366


@dataclass(frozen=True)
class DayPerson:
    """Somebody on call on a day."""

    name: str
    tone: int
    hours: str  # "from 09:00", "until 09:00"; empty: the whole day


@dataclass
class Day:
    """A cell of the calendar."""

    date: date
    is_today: bool
    is_outside: bool  # of another month
    people: list[DayPerson] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)  # "09:00 to 12:00"; "all day"


@login_required
@require_safe
def calendar(request: HttpRequest, pk: int) -> HttpResponse:
    """A month as a table: who is on call on each day."""
    user = signed_in(request)
    shown = selectors.get_schedule_for(user, pk)
    now = timezone.now()
    context = shell_of(user, shown, "calendar", now=now)
    try:
        window = read_window(
            {"view": "month", "from": request.GET.get("from", "")}
            | ({"zone": request.GET["zone"]} if "zone" in request.GET else {}),
            zone=shown.time_zone,
            viewer_zone=user.time_zone,
            now=now,
            default=View.MONTH,
        )
        chronicle = selectors.chronicles_of([shown.pk], now=now, start=window.start)[shown.pk]
        if chronicle.rota.problem:
            raise ValueError(chronicle.rota.problem)
        context |= {"window": window, "weeks": weeks_of(chronicle.history, window, chronicle.names)}
    except selectors.UNREADABLE as error:
        context |= {"unreadable": str(error)}
    return render(request, "escalations/schedules/calendar.html", context)


def weeks_of(plan: oncall.Plan, window: Window, names: Mapping[int, str]) -> list[list[Day]]:
    """The weeks of a month from Monday on, with the days of its neighbours that belong to them."""
    first = window.first - timedelta(days=window.first.weekday())
    last = window.after - timedelta(days=1)
    count = (last + timedelta(days=6 - last.weekday()) - first).days + 1
    starts = [day_start(first + timedelta(days=n), window.zone) for n in range(count + 1)]
    shifts = merged_shifts(oncall.shifts_between(plan, starts[0], starts[-1]))
    gaps = oncall.gaps_between(plan, starts[0], starts[-1])
    tones = tones_of({*names, *(shift.user_id for shift in shifts)})
    days = []
    for number in range(count):
        day = first + timedelta(days=number)
        span = (starts[number], starts[number + 1])
        cell = Day(day, day == window.today, day.month != window.first.month)
        for shift in shifts:
            if shift.starts_at < span[1] and shift.ends_at > span[0]:
                hours = _hours(shift.starts_at, shift.ends_at, span, window.zone)
                name = names.get(shift.user_id, GONE)
                cell.people.append(DayPerson(name, tones[shift.user_id], hours))
        cell.gaps = [
            _hours(gap.starts_at, gap.ends_at, span, window.zone) or "all day"
            for gap in gaps
            if gap.starts_at < span[1] and gap.ends_at > span[0]
        ]
        days.append(cell)
    return [days[n : n + 7] for n in range(0, count, 7)]


def _hours(
    starts_at: datetime, ends_at: datetime, day: tuple[datetime, datetime], zone: str
) -> str:
    first = f"{wall_time(starts_at, zone):%H:%M}" if starts_at > day[0] else ""
    last = f"{wall_time(ends_at, zone):%H:%M}" if ends_at < day[1] else ""
    if first and last:
        return f"{first} to {last}"
    return f"from {first}" if first else f"until {last}" if last else ""


# Hours


@dataclass(frozen=True)
class LoadRow:
    """A line of the fairness table."""

    name: str
    tone: int
    load: Load
    share: float  # per cent of all hours

    @property
    def bar_width(self) -> str:
        """The width of its bar."""
        return f"{self.share:.2f}%"


@login_required
@require_safe
def hours(request: HttpRequest, pk: int) -> HttpResponse:
    """Hours on call per person in a range of days."""
    user = signed_in(request)
    shown = selectors.get_schedule_for(user, pk)
    now = timezone.now()
    context = shell_of(user, shown, "hours", now=now)
    try:
        today = wall_time(now, shown.time_zone).date()
        first, last, notice = read_range(request.GET, today)
        start, end = (
            day_start(first, shown.time_zone),
            day_start(last + timedelta(days=1), shown.time_zone),
        )
        chronicle = selectors.chronicles_of([shown.pk], now=now, start=start)[shown.pk]
        if chronicle.rota.problem:
            raise ValueError(chronicle.rota.problem)
        shifts = merged_shifts(oncall.shifts_between(chronicle.history, start, end))
        loads = loads_of(shifts, start=start, end=end, zone=shown.time_zone)
        gaps = oncall.gaps_between(chronicle.history, start, end)
        context |= {
            "first": first,
            "last": last,
            "notice": notice,
            "presets": presets(first, last, today),
            "rows": _rows(loads, chronicle.names),
            "uncovered": sum((gap.ends_at - gap.starts_at for gap in gaps), timedelta()),
        }
    except selectors.UNREADABLE as error:
        context |= {"unreadable": str(error)}
    return render(request, "escalations/schedules/hours.html", context)


def _rows(loads: Iterable[Load], names: Mapping[int, str]) -> list[LoadRow]:
    found = list(loads)
    tones = tones_of({*names, *(load.user_id for load in found)})
    everything = sum((load.total for load in found), timedelta())
    return [
        LoadRow(
            names.get(load.user_id, GONE),
            tones[load.user_id],
            load,
            load.total / everything * 100 if everything else 0.0,
        )
        for load in found
    ]


def read_range(query: Mapping[str, str], today: date) -> tuple[date, date, str]:
    """The first and the last day of the wanted range, and what was changed about it."""
    month = today.replace(day=1)
    first = read_day(query.get("from", "")) or month
    last = read_day(query.get("until", "")) or (
        _next_month(month) - timedelta(days=1) if first <= _next_month(month) else first
    )
    if last < first:
        return last, first, "The range ended before it began; it is turned round."
    if (last - first).days >= MAX_DAYS:
        return first, first + timedelta(days=MAX_DAYS - 1), "At most a year is counted at once."
    return first, last, ""


def presets(first: date, last: date, today: date) -> list[tuple[str, date, date, bool]]:
    """Ranges to choose from: name, first and last day, whether it is shown."""
    month = today.replace(day=1)
    day = timedelta(days=1)
    before = (month - day).replace(day=1)
    quarter = ((before - day).replace(day=1) - day).replace(day=1)
    after = _next_month(_next_month(_next_month(_next_month(month))))
    ranges = [
        ("This month", month, _next_month(month) - day),
        ("Last month", before, month - day),
        ("Last 3 months", quarter, month - day),
        ("Next 3 months", _next_month(month), after - day),
    ]
    return [(name, a, b, (a, b) == (first, last)) for name, a, b in ranges]


def _next_month(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


report_patterns: list[URLPattern] = [
    path("schedules/<int:pk>/calendar/", calendar, name="month_calendar"),
    path("schedules/<int:pk>/hours/", hours, name="hours"),
]
