"""What a person may see and act on. The only way to an incident or service for a person."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from incidents.models import (
    Delivery,
    Incident,
    Integration,
    MaintenanceWindow,
    Participant,
    Service,
    TimelineEntry,
)
from opsknight.errors import NotAllowed, NotFound
from opsknight.models import TeamMember, User
from opsknight.permissions import team_ids_of


def _is_member(team_field: str, user: User) -> Exists:
    return Exists(TeamMember.objects.filter(team_id=OuterRef(team_field), user=user))


def visible_incidents(user: User) -> QuerySet[Incident]:
    """Incidents this person may see, with what a list shows of them.

    Private ones: only the team of the service, the assigned team, the assignee, and whoever was
    paged, whatever the role. Public ones: responders see all, others those of their teams, of
    services without a team, and their own.
    """
    incidents = Incident.objects.select_related("service", "service__team", "assignee", "team")
    if not user.is_active:
        return incidents.none()
    mine = (
        Q(assignee=user)
        | Q(_is_member("service__team_id", user))
        | Q(_is_member("team_id", user))
        | Q(Exists(Participant.objects.filter(incident=OuterRef("pk"), user=user)))
    )
    if user.is_responder:
        return incidents.filter(Q(visibility=Incident.Visibility.PUBLIC) | mine)
    everybodys = Q(visibility=Incident.Visibility.PUBLIC, service__team__isnull=True)
    return incidents.filter(everybodys | mine)


def open_incidents(user: User) -> QuerySet[Incident]:
    """Visible incidents that are not resolved, newest first."""
    return visible_incidents(user).exclude(status=Incident.Status.RESOLVED)


def get_incident_for(user: User, pk: int) -> Incident:
    """One visible incident; raises NotFound."""
    incident = visible_incidents(user).filter(pk=pk).first()
    if incident is None:
        raise NotFound(f"There is no incident #{pk}.")
    return incident


def may_act_on(user: User, incident: Incident) -> bool:
    """Responders, the assignee, whoever was paged, and the service's or the assigned team."""
    if user.is_responder or incident.assignee_id == user.pk:
        return True
    if Participant.objects.filter(incident=incident, user=user).exists():
        return True
    teams = [t for t in (incident.service.team_id, incident.team_id) if t is not None]
    return TeamMember.objects.filter(team_id__in=teams, user=user).exists()


def own_acknowledgements(user: User) -> QuerySet[Incident]:
    """Acknowledged incidents that this person has acknowledged since they last were triggered."""
    entries = TimelineEntry.objects.filter(
        incident_id=OuterRef("pk"),
        kind=TimelineEntry.Kind.ACKNOWLEDGED,
        actor=user,
        at__gte=OuterRef("acknowledged_at"),
    )
    return Incident.objects.filter(Exists(entries), status=Incident.Status.ACKNOWLEDGED)


def may_acknowledge(user: User, incident: Incident) -> bool:
    """It is triggered, or everybody acknowledges and this person has not; for who may act on it."""
    match incident.status:
        case Incident.Status.TRIGGERED:
            return True
        case Incident.Status.ACKNOWLEDGED if incident.is_multi_ack:
            return not own_acknowledgements(user).filter(pk=incident.pk).exists()
        case _:
            return False


def ids_to_act_on(user: User, incidents: Iterable[Incident]) -> list[int]:
    """Those that `may_act_on` allows; two queries, however many."""
    shown = list(incidents)
    if user.is_responder:
        return [incident.pk for incident in shown]
    teams = team_ids_of(user)
    paged = Participant.objects.filter(user=user, incident__in=shown)
    paged_ids = set(paged.values_list("incident_id", flat=True))
    return [
        i.pk
        for i in shown
        if i.assignee_id == user.pk
        or i.pk in paged_ids
        or i.service.team_id in teams
        or i.team_id in teams
    ]


def get_incident_to_act_on_for(user: User, pk: int) -> Incident:
    """One incident to change; raises NotFound out of sight, NotAllowed in sight only."""
    incident = get_incident_for(user, pk)
    if not may_act_on(user, incident):
        raise NotAllowed(f"You may see incident #{pk} but not change it.")
    return incident


def visible_services(user: User) -> QuerySet[Service]:
    """Services are known to everybody who is signed in."""
    services = Service.objects.select_related("team", "escalation_policy")
    return services if user.is_active else services.none()


def get_service_for(user: User, pk: int) -> Service:
    """One service; raises NotFound."""
    service = visible_services(user).filter(pk=pk).first()
    if service is None:
        raise NotFound(f"There is no service {pk}.")
    return service


def may_change_service(user: User, service: Service) -> bool:
    """Responders, and members of the team that owns it."""
    if user.is_responder or service.team_id is None:
        return user.is_responder
    return TeamMember.objects.filter(team_id=service.team_id, user=user).exists()


def get_service_to_change_for(user: User, pk: int) -> Service:
    """One service to configure; raises NotFound or NotAllowed."""
    service = get_service_for(user, pk)
    if not may_change_service(user, service):
        raise NotAllowed(f"Only responders and the team of {service.name} may change it.")
    return service


def visible_windows(user: User) -> QuerySet[MaintenanceWindow]:
    """Maintenance is known to everybody who is signed in, like services."""
    windows = MaintenanceWindow.objects.select_related("service", "created_by")
    return windows if user.is_active else windows.none()


def get_window_for(user: User, pk: int) -> MaintenanceWindow:
    """One maintenance window; raises NotFound."""
    window = visible_windows(user).filter(pk=pk).first()
    if window is None:
        raise NotFound(f"There is no maintenance window {pk}.")
    return window


def get_window_to_change_for(user: User, pk: int) -> MaintenanceWindow:
    """One window to end or delete; raises NotFound or NotAllowed."""
    window = get_window_for(user, pk)
    get_service_to_change_for(user, window.service_id)
    return window


def visible_integrations(user: User) -> QuerySet[Integration]:
    """Integrations carry keys: only those who may change the service see them."""
    integrations = Integration.objects.select_related("service")
    if user.is_responder:
        return integrations
    if not user.is_active:
        return integrations.none()
    return integrations.filter(_is_member("service__team_id", user))


def get_integration_for(user: User, pk: int) -> Integration:
    """One integration with its key; raises NotFound."""
    integration = visible_integrations(user).filter(pk=pk).first()
    if integration is None:
        raise NotFound(f"There is no integration {pk}.")
    return integration


def visible_deliveries(user: User) -> QuerySet[Delivery]:
    """Deliveries of the integrations that this person may configure."""
    return Delivery.objects.filter(integration__in=visible_integrations(user)).select_related(
        "integration", "integration__service"
    )


def get_delivery_for(user: User, pk: UUID) -> Delivery:
    """One delivery; raises NotFound. What it says may be hidden: see `hidden_incident_ids`."""
    delivery = visible_deliveries(user).filter(pk=pk).first()
    if delivery is None:
        raise NotFound(f"There is no delivery {pk}. Deliveries are kept for a while only.")
    return delivery


def hidden_incident_ids(user: User, ids: Iterable[int]) -> set[int]:
    """Those of the incidents that exist and that this person may not see; at most two queries.

    What brought them must not be shown either: it says the same as they do.
    """
    wanted = set(ids)
    if not wanted:
        return set()
    visible = visible_incidents(user).filter(pk__in=wanted).order_by().values_list("pk", flat=True)
    others = wanted.difference(visible)
    if not others:
        return set()
    return set(Incident.objects.filter(pk__in=others).values_list("pk", flat=True))


def readable_deliveries(user: User, deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Those that belong to no incident which this person may not see; at most two queries."""
    found = list(deliveries)
    hidden = hidden_incident_ids(user, {pk for d in found for pk in d.incident_ids})
    return [delivery for delivery in found if not hidden & delivery.incident_ids]


def timeline_of(incident: Incident) -> QuerySet[TimelineEntry]:
    """The entries of one incident, oldest first."""
    return TimelineEntry.objects.filter(incident=incident).select_related("actor")
