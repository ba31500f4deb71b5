"""The list of schedules: who is on call now and next, and where nobody will be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_safe

from escalations import oncall, selectors
from escalations.models import Schedule
from escalations.selectors import OnCall, Rota
from incidents.filters import read_id
from incidents.web.answers import signed_in

PAGE_SIZE = 50
WARNED_AHEAD = timedelta(days=7)
MAX_TEXT = 100


@dataclass(frozen=True)
class DutyRow:
    """One schedule of the list."""

    duty: OnCall
    is_mine: bool
    problem: str  # why it cannot be calculated
    gap: oncall.Gap | None  # the first time within the next seven days with nobody on call

    @property
    def is_uncovered(self) -> bool:
        """Whether nobody is on call right now."""
        return not self.duty.people


@login_required
@require_safe
def schedules(request: HttpRequest) -> HttpResponse:
    """All schedules, the person's own first: who is on call, until when, who is next."""
    user = signed_in(request)
    only_mine = request.GET.get("show") == "mine"
    text = request.GET.get("q", "").replace("\x00", "").strip()[:MAX_TEXT]
    pages = Paginator(selectors.listed_schedules(user, only_mine=only_mine, text=text), PAGE_SIZE)
    page = pages.get_page(read_id(request.GET.get("page", "")) or 1)
    query = {"show": "mine" if only_mine else "", "q": text}
    now = timezone.now()
    rows = duty_rows(list(page.object_list), now=now)
    context = {
        "rows": rows,
        "holds_until": min((row.duty.until for row in rows if row.duty.until), default=None),
        "now": now,
        "page_text": f"Page {page.number} of {pages.num_pages}",
        "only_mine": only_mine,
        "text": text,
        "mine_query": _query(query | {"show": "mine"}),
        "all_query": _query(query | {"show": ""}),
        "newer": _query(query, page.previous_page_number()) if page.has_previous() else "",
        "older": _query(query, page.next_page_number()) if page.has_next() else "",
        "may_change": selectors.may_change_schedules(user),
    }
    return render(request, "escalations/schedules/list.html", context)


def duty_rows(schedules: Sequence[Schedule], *, now: datetime) -> list[DutyRow]:
    """Who is on call in each of these, as `listed_schedules` gives them; 8 queries."""
    rotas = selectors.rotas_of((schedule.pk for schedule in schedules), since=now)
    return [
        DutyRow(
            duty=selectors.duty_of(rotas[schedule.pk], now=now),
            is_mine=getattr(schedule, "is_mine", False),
            problem=rotas[schedule.pk].problem,
            gap=_first_gap(rotas[schedule.pk], now),
        )
        for schedule in schedules
        if schedule.pk in rotas
    ]


def _first_gap(rota: Rota, now: datetime) -> oncall.Gap | None:
    if rota.problem:
        return None
    return next(iter(oncall.gaps_between(rota.spec, now, now + WARNED_AHEAD)), None)


def _query(parts: dict[str, str], page: int = 1) -> str:
    kept = {name: value for name, value in parts.items() if value}
    if page > 1:
        kept["page"] = str(page)
    return f"?{urlencode(kept)}"


list_patterns: list[URLPattern] = [
    path("schedules/", schedules, name="schedules"),
]
