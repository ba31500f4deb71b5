"""What a person may see and change of who follows what. The only way to it for a person."""

from django.db.models import QuerySet

from incidents.models import Service
from notifications.models import EventSubscription
from notifications.selectors import may_change_destination, visible_destinations
from opsknight.errors import NotAllowed, NotFound
from opsknight.models import Team, TeamMember, User


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
