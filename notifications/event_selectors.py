"""What a person may see and change of who follows what. The only way to it for a person."""

from django.db.models import Q, QuerySet

from incidents.models import Service
from incidents.selectors import visible_services
from notifications.models import Destination, EventSubscription
from notifications.selectors import may_change_destination, teams_run_by, visible_destinations
from opsknight.errors import NotAllowed, NotFound
from opsknight.models import Team, TeamMember, User
from opsknight.selectors import visible_teams


def visible_subscriptions(user: User) -> QuerySet[EventSubscription]:
    """Those of the destinations that the person may see."""
    return (
        EventSubscription.objects.filter(destination__in=visible_destinations(user).values("pk"))
        .select_related("destination__team", "service", "team")
        .defer("destination__secret")
        .order_by("destination__name", "pk")
    )


def get_subscription_for(user: User, pk: int) -> EventSubscription:
    """One subscription; raises NotFound."""
    found = visible_subscriptions(user).filter(pk=pk).first()
    if found is None:
        raise NotFound(f"There is no subscription {pk}.")
    return found


def get_subscription_to_change_for(user: User, pk: int) -> EventSubscription:
    """One subscription to change; raises NotFound out of sight, NotAllowed in sight only."""
    found = get_subscription_for(user, pk)
    if not may_change_destination(user, found.destination):
        raise NotAllowed(f"Only who may change {found.destination} may change what it follows.")
    return found


def may_follow(user: User, service: Service | None, team: Team | None) -> bool:
    """Only what one sees oneself may be sent elsewhere: incidents of the service or the team."""
    if user.is_responder:
        return True
    team_id = team.pk if team is not None else service.team_id if service is not None else None
    if team_id is None:
        return service is not None
    return TeamMember.objects.filter(team_id=team_id, user=user).exists()


def changeable_destinations(user: User) -> QuerySet[Destination]:
    """Those that the person may let follow something."""
    places = visible_destinations(user)
    return places if user.is_admin else places.filter(team__in=teams_run_by(user))


def followable_services(user: User) -> QuerySet[Service]:
    """Those that `may_follow` allows."""
    services = visible_services(user).order_by("name")
    if user.is_responder:
        return services
    mine = TeamMember.objects.filter(user=user).values("team_id")
    return services.filter(Q(team=None) | Q(team_id__in=mine))


def followable_teams(user: User) -> QuerySet[Team]:
    """Those that `may_follow` allows."""
    teams = visible_teams(user).order_by("name")
    if user.is_responder:
        return teams
    return teams.filter(pk__in=TeamMember.objects.filter(user=user).values("team_id"))
