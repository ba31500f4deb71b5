"""Following services and teams: who hears of which events. Changes are audited."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict, cast

from django.db import transaction

from incidents.models import Incident, Service
from notifications.channels.base import Event, Page, PagedIncident, Place
from notifications.channels.webhook import payload_of
from notifications.channels.webhook_body import BadTemplate, read_body_template, render_body
from notifications.event_selectors import may_follow
from notifications.events import LABELS
from notifications.models import Destination, EventSubscription, Notification
from notifications.models.preferences import Channel
from notifications.selectors import may_change_destination
from notifications.services.events import start_following
from opsknight.errors import InvalidInput
from opsknight.models import Team, User
from opsknight.services.configuration import delete_recorded, invalid, save_changes, save_new

FIELDS = ("destination", "service", "team", "events", "template", "enabled")


class SubscriptionValues(TypedDict, total=False):
    """What can be set; what is left out stays as it is."""

    destination: Destination
    service: Service | None  # either this or the team
    team: Team | None
    events: list[str]  # names of LABELS; empty: all
    template: str  # of a webhook's body; empty: ours
    enabled: bool


def create_subscription(
    *, values: SubscriptionValues, actor: User, now: datetime, ip: str | None = None
) -> EventSubscription:
    """Let a destination hear of what happens from now on.

    Raises InvalidInput with the fields: the actor must be one who may change the destination, and
    see the incidents of the service or the team.
    """
    _check_place(values["destination"], actor)
    _check_followed(values, actor)
    values = _checked(values, values["destination"])
    subscription = EventSubscription(**values, created_at=now)
    with transaction.atomic():
        start_following(now=now)
        save_new(
            entity=subscription,
            fields=FIELDS,
            action="event_subscription.created",
            actor=actor,
            ip=ip,
        )
    return subscription


def update_subscription(
    *,
    subscription: EventSubscription,
    values: SubscriptionValues,
    actor: User,
    ip: str | None = None,
) -> EventSubscription:
    """Change which events, the template, or whether it is used; raises InvalidInput.

    What is followed, and where to, stays: make another one.
    """
    for name in ("destination", "service", "team"):
        if name in values and values[name] != getattr(subscription, name):
            message = "This cannot be changed. Make another subscription."
            raise InvalidInput(message, fields={name: [message]})
    save_changes(
        entity=subscription,
        values=_checked(values, subscription.destination),
        action="event_subscription.updated",
        actor=actor,
        ip=ip,
    )
    return subscription


def delete_subscription(
    *, subscription: EventSubscription, actor: User, ip: str | None = None
) -> None:
    """Follow no longer; messages that wait still go out."""
    delete_recorded(
        entity=subscription,
        fields=FIELDS,
        action="event_subscription.deleted",
        actor=actor,
        ip=ip,
    )


def _check_place(destination: Destination, actor: User) -> None:
    if not may_change_destination(actor, destination):
        raise invalid({"destination": ["Choose a destination that you may change."]})


def _check_followed(values: Mapping[str, Any], actor: User) -> None:
    service, team = values.get("service"), values.get("team")
    if (service is None) == (team is None):
        raise invalid({"service": ["Choose a service or a team, and not both."]})
    if not may_follow(actor, service, team):
        raise invalid(
            {"service" if service else "team": ["Choose one whose incidents you may see."]}
        )


def _checked(values: SubscriptionValues, destination: Destination) -> SubscriptionValues:
    """The values, events once each and in our order; raises InvalidInput."""
    checked = dict(values)
    if "events" in values:
        unknown = set(values["events"]) - LABELS.keys()
        if unknown:
            names = ", ".join(sorted(unknown)[:5])
            raise invalid({"events": [f"There is no such event: {names[:200]}."]})
        checked["events"] = [name for name in LABELS if name in values["events"]]
    if values.get("template"):
        _check_template(values["template"], destination)
    return cast(SubscriptionValues, checked)


def _check_template(template: str, destination: Destination) -> None:
    if destination.channel != Channel.WEBHOOK:
        raise invalid({"template": ["Only webhooks have a body to be written."]})
    try:
        read_body_template(template)
    except BadTemplate as error:
        raise invalid({"template": [str(error)]}) from error


def preview_body(*, template: str, destination: Destination) -> str:
    """What a template, or none, makes of a made-up event; raises InvalidInput with the reason."""
    payload = payload_of(_sample_page(destination))
    if not template:
        return json.dumps(payload, indent=2)
    _check_template(template, destination)
    try:
        return render_body(template, payload).decode()
    except BadTemplate as error:
        raise invalid({"template": [str(error)]}) from error


def _sample_page(destination: Destination) -> Page:
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    sample = Notification()
    return Page(
        notification_id=0,
        claim=1,
        channel=Channel.WEBHOOK,
        address="",
        method_id=None,
        secret_token="",
        idempotency_key=sample.idempotency_key,
        maybe_duplicate=False,
        reason=Notification.Reason.EVENT,
        recipient=Place(destination.pk or 0, destination.name),
        incident=PagedIncident(
            id=12,
            title='Error rate of "checkout" above 5 %',
            description="checkout-5xx",
            status=Incident.Status.ACKNOWLEDGED,
            urgency=Incident.Urgency.HIGH,
            service_id=3,
            service_name="Checkout",
            assignee=None,
            created_at=at,
            acknowledged_at=at,
            resolved_at=None,
        ),
        event=Event(
            id=345,
            type="incident.acknowledged",
            at=at.isoformat(),
            message="Acknowledged by Bob Ray",
            actor={"id": 2, "name": "Bob Ray"},
        ),
    )
