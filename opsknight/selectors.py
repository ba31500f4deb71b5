"""People and teams, with what a page shows of them."""

from django.db.models import Count, Prefetch, QuerySet

from opsknight.errors import NotFound
from opsknight.models import Team, TeamMember, User
from opsknight.permissions import visible_users


def people_for(user: User) -> QuerySet[User]:
    """Everybody, with their teams; two queries."""
    memberships = TeamMember.objects.select_related("team").order_by("team__name")
    return visible_users(user).prefetch_related(Prefetch("memberships", memberships))


def get_user_for(user: User, pk: int) -> User:
    """One person; raises NotFound."""
    person = people_for(user).filter(pk=pk).first()
    if person is None:
        raise NotFound("There is no such person.")
    return person


def visible_teams(user: User) -> QuerySet[Team]:
    """Teams are known to everybody who is signed in; with their lead and `member_count`."""
    teams = Team.objects.select_related("lead").annotate(member_count=Count("memberships"))
    return teams if user.is_active else teams.none()


def teams_with_members(user: User) -> QuerySet[Team]:
    """Visible teams with their members, for a list; two queries."""
    members = TeamMember.objects.select_related("user").order_by("user__name", "pk")
    return visible_teams(user).prefetch_related(Prefetch("memberships", members))


def get_team_for(user: User, pk: int) -> Team:
    """One team; raises NotFound."""
    team = visible_teams(user).filter(pk=pk).first()
    if team is None:
        raise NotFound("There is no such team.")
    return team


def members_of(team: Team) -> QuerySet[TeamMember]:
    """The members of one team by name; one query."""
    return TeamMember.objects.filter(team=team).select_related("user").order_by("user__name", "pk")
