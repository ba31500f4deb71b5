"""Who works here: people and teams, for everybody to read."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from opsknight.selectors import get_team_for, members_of, people_for, visible_teams
from opsknight.web.profile import signed_in

PER_PAGE = 100


@login_required
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """Everybody by name, found by name or address."""
    wanted = request.GET.get("q", "").strip().replace("\0", "")
    found = people_for(signed_in(request))
    if wanted:
        found = found.filter(Q(name__icontains=wanted) | Q(email__icontains=wanted))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "people": page,
        "q": wanted,
        "previous": _address(wanted, page.number - 1) if page.has_previous() else "",
        "next": _address(wanted, page.number + 1) if page.has_next() else "",
    }
    return render(request, "opsknight/people.html", context)


def _address(wanted: str, number: int) -> str:
    return "?" + urlencode({"q": wanted, "page": number})


@login_required
@require_safe
def teams(request: HttpRequest) -> HttpResponse:
    """Every team with its lead and size."""
    context = {"teams": visible_teams(signed_in(request))}
    return render(request, "opsknight/teams.html", context)


@login_required
@require_safe
def team(request: HttpRequest, pk: int) -> HttpResponse:
    """One team and its members."""
    found = get_team_for(signed_in(request), pk)
    context = {"team": found, "members": members_of(found)}
    return render(request, "opsknight/team.html", context)
