"""Changes that a person may see: what was done to a service, next to what went wrong with it."""

from datetime import timedelta

from django.db.models import Q, QuerySet

from incidents.models import Change, Incident, Service
from opsknight.models import User
from opsknight.permissions import team_ids_of

# A change this long before an incident may be its cause.
BEFORE_INCIDENT = timedelta(hours=24)


def visible_changes(user: User) -> QuerySet[Change]:
    """Changes of the services whose public incidents this person sees; one query for teams.

    Responders see all, others those of their teams and of services without a team.
    """
    changes = Change.objects.select_related("service", "integration")
    if not user.is_active:
        return changes.none()
    if user.is_responder:
        return changes
    teams = team_ids_of(user)
    return changes.filter(Q(service__team__isnull=True) | Q(service__team_id__in=teams))


def may_see_changes(user: User, service: Service) -> bool:
    """The same for one service; one query for teams of a plain user."""
    return user.is_responder or service.team_id is None or service.team_id in team_ids_of(user)


def changes_before(incident: Incident) -> QuerySet[Change]:
    """What was changed on the service in the day before the incident, newest first.

    For whoever may see the incident.
    """
    began = incident.created_at
    return Change.objects.filter(
        service_id=incident.service_id,
        received_at__gt=began - BEFORE_INCIDENT,
        received_at__lte=began,
    )
