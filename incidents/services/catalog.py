"""Services and the integrations through which their alerts come: create, change, delete.

They check nothing about the person; the edge got the objects from `selectors`.
"""

from typing import TypedDict

from django.db import transaction
from django.utils import timezone

from incidents.models import Incident, Integration, Service
from incidents.models.service import new_integration_key
from incidents.services.heartbeats import ensure_heartbeat
from incidents.services.signing import prepare_signing
from opsknight.errors import Conflict
from opsknight.models import Team, User
from opsknight.services.audit import Changes
from opsknight.services.configuration import delete_recorded, save_changes, save_new
from opsknight.wake import Wake, wake

SERVICE_FIELDS = (
    "name", "description", "team", "escalation_policy", "storm_threshold", "flapping_openings",
    "flapping_minutes",
)  # fmt: skip
INTEGRATION_FIELDS = (
    "name", "kind", "service", "enabled", "key", "signature_required", "signing_secret"
)  # fmt: skip


class ServiceValues(TypedDict, total=False):
    """What can be set on a service; what is left out stays as it is."""

    name: str
    description: str
    team: Team | None
    # An EscalationPolicy, or its absence: this app does not know the class.
    escalation_policy: object | None
    storm_threshold: int
    flapping_openings: int
    flapping_minutes: int


class IntegrationValues(TypedDict, total=False):
    """What can be changed on an integration."""

    name: str
    enabled: bool


def create_service(*, values: ServiceValues, actor: User | None, ip: str | None = None) -> Service:
    """Create a service; raises InvalidInput, also when the name is taken."""
    service = Service(**values)
    save_new(entity=service, fields=SERVICE_FIELDS, action="service.created", actor=actor, ip=ip)
    return service


def update_service(
    *, service: Service, values: ServiceValues, actor: User | None, ip: str | None = None
) -> Service:
    """Change a service; raises InvalidInput.

    With another policy its triggered incidents start anew there, at once; with none they go on.
    """
    policy_id = service.escalation_policy_id
    with transaction.atomic():
        save_changes(entity=service, values=values, action="service.updated", actor=actor, ip=ip)
        if service.escalation_policy_id not in (policy_id, None):
            _restart_escalations(service)
    return service


def _restart_escalations(service: Service) -> None:
    """Make every triggered incident due now; the engine sees that the policy is another one.

    Those whose policy a route chose stay with it.
    """
    now = timezone.now()
    ids = list(
        Incident.objects.select_for_update()
        .filter(service=service, status=Incident.Status.TRIGGERED, escalation_policy__isnull=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    Incident.objects.filter(pk__in=ids).update(escalate_at=now, updated_at=now)
    if ids:
        wake(Wake.ESCALATE)


def delete_service(*, service: Service, actor: User | None, ip: str | None = None) -> None:
    """Delete a service with its history; raises Conflict while it has open incidents."""
    with transaction.atomic():
        # Against an alert that opens one at this moment: the intake takes the same lock.
        Service.objects.select_for_update(of=("self",)).filter(pk=service.pk).first()
        still_open = Incident.objects.filter(service=service).exclude(
            status=Incident.Status.RESOLVED
        )
        if count := still_open.count():
            raise Conflict(
                f"{service.name} has {count} open incidents. Resolve them, then delete it."
            )
        delete_recorded(
            entity=service, fields=SERVICE_FIELDS, action="service.deleted", actor=actor, ip=ip
        )


def create_integration(
    *, service: Service, kind: str, name: str, actor: User | None, ip: str | None = None
) -> Integration:
    """Create an integration with a key of its own; raises InvalidInput."""
    integration = Integration(service=service, kind=kind, name=name)
    prepare_signing(integration)

    def expect_beats() -> Changes:
        if kind == Integration.Kind.HEARTBEAT:
            ensure_heartbeat(integration=integration)
        return {}

    save_new(
        entity=integration,
        fields=INTEGRATION_FIELDS,
        action="integration.created",
        actor=actor,
        ip=ip,
        extra=expect_beats,
    )
    return integration


def update_integration(
    *,
    integration: Integration,
    values: IntegrationValues,
    actor: User | None,
    ip: str | None = None,
) -> Integration:
    """Rename, enable or disable; a disabled one takes no events from the next commit on."""
    save_changes(
        entity=integration, values=values, action="integration.updated", actor=actor, ip=ip
    )
    return integration


def rotate_integration_key(
    *, integration: Integration, actor: User | None, ip: str | None = None
) -> Integration:
    """Give the integration a new key; the old one opens nothing any more."""
    save_changes(
        entity=integration,
        values={"key": new_integration_key()},
        action="integration.key_rotated",
        actor=actor,
        ip=ip,
    )
    return integration


def delete_integration(
    *, integration: Integration, actor: User | None, ip: str | None = None
) -> None:
    """Delete an integration; its key opens nothing any more, its alerts stay."""
    delete_recorded(
        entity=integration,
        fields=INTEGRATION_FIELDS,
        action="integration.deleted",
        actor=actor,
        ip=ip,
    )
