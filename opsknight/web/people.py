"""Who works here: people and teams, for everybody to read."""

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from opsknight.selectors import get_team_for, members_of, people_for, visible_teams
from opsknight.web.profile import signed_in


@login_required
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """Everybody, found by name or address."""
    wanted = request.GET.get("q", "").strip().replace("\0", "")
    found = people_for(signed_in(request))
    if wanted:
        found = found.filter(Q(name__icontains=wanted) | Q(email__icontains=wanted))
    return render(request, "opsknight/people.html", {"people": found, "q": wanted})


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
