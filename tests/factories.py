"""Objects for tests, each valid by itself: `UserFactory(name="Bob")`.

The cast: alice (administrator), bob (responder), carol (user, member of the service's team) and
eve (user, in no team). Nobody has a password; tests sign in with `client.force_login`.
"""

import hashlib
from datetime import time, timedelta
from typing import Any

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from escalations.models import (
    CalendarFeed,
    EscalationPolicy,
    LayerMember,
    LayerRestriction,
    OnCallAnnouncement,
    Override,
    PolicyStep,
    Schedule,
    ScheduleLayer,
    StepTarget,
    SwapRequest,
    TemporarySchedule,
    TemporaryShift,
)
from incidents.models import Delivery, Incident, Integration, MaintenanceWindow, Service
from notifications.models import (
    ContactMethod,
    Destination,
    EventSubscription,
    Notification,
    NotificationRule,
)
from opsknight.models import Team, TeamMember, User


class UserFactory(DjangoModelFactory[User]):
    """An active person without a password, role user."""

    class Meta:
        model = User

    name = factory.Sequence(lambda n: f"Person {n}")
    email = factory.LazyAttribute(lambda o: f"{o.name.lower().replace(' ', '.')}@example.com")
    role = User.Role.USER
    status = User.Status.ACTIVE
    password = "!"


class TeamFactory(DjangoModelFactory[Team]):
    """A team; `members=[…]` adds people who receive its pages."""

    class Meta:
        model = Team
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Team {n}")

    @factory.post_generation  # type: ignore[misc]
    def members(self, create: bool, people: list[User] | None, **kwargs: Any) -> None:
        """Add the people as members."""
        for user in people or []:
            TeamMember.objects.create(team=self, user=user)


class ServiceFactory(DjangoModelFactory[Service]):
    """A service without team and policy."""

    class Meta:
        model = Service

    name = factory.Sequence(lambda n: f"Service {n}")


class IntegrationFactory(DjangoModelFactory[Integration]):
    """An integration of the product's own Events API."""

    class Meta:
        model = Integration

    service = factory.SubFactory(ServiceFactory)
    name = factory.Sequence(lambda n: f"Integration {n}")
    kind = Integration.Kind.EVENTS


class DeliveryFactory(DjangoModelFactory[Delivery]):
    """A delivery to a disabled integration, which cannot be replayed."""

    class Meta:
        model = Delivery

    integration = factory.SubFactory(IntegrationFactory, enabled=False)
    kind = Integration.Kind.EVENTS
    verdict = Delivery.Verdict.ACCEPTED
    body = b"{}"


class IncidentFactory(DjangoModelFactory[Incident]):
    """A triggered incident whose timer is off; name a status for another one."""

    class Meta:
        model = Incident

    service = factory.SubFactory(ServiceFactory)
    title = factory.Sequence(lambda n: f"Something broke {n}")
    status = Incident.Status.TRIGGERED
    resolved_at = factory.LazyAttribute(
        lambda o: timezone.now() if o.status == Incident.Status.RESOLVED else None
    )


class MaintenanceWindowFactory(DjangoModelFactory[MaintenanceWindow]):
    """Maintenance that began an hour ago and lasts for another."""

    class Meta:
        model = MaintenanceWindow

    service = factory.SubFactory(ServiceFactory)
    reason = "New disks"
    starts_at = factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1))
    ends_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=1))


class ContactMethodFactory(DjangoModelFactory[ContactMethod]):
    """A verified e-mail address besides the account's own."""

    class Meta:
        model = ContactMethod

    verified_at = factory.LazyFunction(timezone.now)

    user = factory.SubFactory(UserFactory)
    channel = "email"
    address = factory.Sequence(lambda n: f"method-{n}@example.com")


class NotificationRuleFactory(DjangoModelFactory[NotificationRule]):
    """Use the contact method at once."""

    class Meta:
        model = NotificationRule

    contact_method = factory.SubFactory(ContactMethodFactory)
    user = factory.SelfAttribute("contact_method.user")
    delay_minutes = 0


class DestinationFactory(DjangoModelFactory[Destination]):
    """A webhook of nobody; `team=…` makes it a channel of that team."""

    class Meta:
        model = Destination

    name = factory.Sequence(lambda n: f"Destination {n}")
    channel = "webhook"
    address = factory.Sequence(lambda n: f"https://hooks.example.com/{n}")
    secret = "s3cret"


class EventSubscriptionFactory(DjangoModelFactory[EventSubscription]):
    """A webhook that follows a service from an hour ago on; `service=None, team=…` for a team."""

    class Meta:
        model = EventSubscription

    destination = factory.SubFactory(DestinationFactory)
    service = factory.SubFactory(ServiceFactory)
    created_at = factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1))


class NotificationFactory(DjangoModelFactory[Notification]):
    """A page by e-mail to the account address, due now."""

    class Meta:
        model = Notification

    incident = factory.SubFactory(IncidentFactory)
    user = factory.SubFactory(UserFactory)
    channel = "email"
    address = factory.SelfAttribute("user.email")
    reason = Notification.Reason.ESCALATION
    cause = "step:0:0:0"
    due_at = factory.LazyFunction(timezone.now)


# On call and escalation


class ScheduleFactory(DjangoModelFactory[Schedule]):
    """A schedule in UTC; `members=[…]` gives it a layer whose first person is on call now."""

    class Meta:
        model = Schedule
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Schedule {n}")

    @factory.post_generation  # type: ignore[misc]
    def members(self, create: bool, people: list[User] | None, **kwargs: Any) -> None:
        """Add the layer."""
        if people:
            ScheduleLayerFactory(schedule=self, members=people)


class ScheduleLayerFactory(DjangoModelFactory[ScheduleLayer]):
    """A weekly rotation that began an hour ago."""

    class Meta:
        model = ScheduleLayer
        skip_postgeneration_save = True

    schedule = factory.SubFactory(ScheduleFactory)
    name = "Primary layer"
    position = factory.Sequence(lambda n: n + 1)
    starts_at = factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1))

    @factory.post_generation  # type: ignore[misc]
    def members(self, create: bool, people: list[User] | None, **kwargs: Any) -> None:
        """Let the people take turns in this order."""
        for turn, user in enumerate(people or [], start=1):
            LayerMember.objects.create(layer=self, user=user, turn=turn)


class LayerRestrictionFactory(DjangoModelFactory[LayerRestriction]):
    """Working hours, Monday to Friday."""

    class Meta:
        model = LayerRestriction

    layer = factory.SubFactory(ScheduleLayerFactory)
    weekdays = 0b001_1111
    starts = time(8)
    ends = time(20)


class OverrideFactory(DjangoModelFactory[Override]):
    """Somebody is on call in addition, since an hour ago and for another one."""

    class Meta:
        model = Override

    schedule = factory.SubFactory(ScheduleFactory)
    kind = Override.Kind.ADD
    starts_at = factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1))
    ends_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=1))


class TemporaryScheduleFactory(DjangoModelFactory[TemporarySchedule]):
    """Since an hour ago and for another one; `shifts=[bob]` lets the people have all of it."""

    class Meta:
        model = TemporarySchedule
        skip_postgeneration_save = True

    schedule = factory.SubFactory(ScheduleFactory)
    starts_at = factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1))
    ends_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=1))

    @factory.post_generation  # type: ignore[misc]
    def shifts(self, create: bool, people: list[User] | None, **kwargs: Any) -> None:
        """Add the shifts."""
        for user in people or []:
            TemporaryShift.objects.create(
                temporary=self, user=user, starts_at=self.starts_at, ends_at=self.ends_at
            )


class SwapRequestFactory(DjangoModelFactory[SwapRequest]):
    """An open request about the day after tomorrow."""

    class Meta:
        model = SwapRequest

    schedule = factory.SubFactory(ScheduleFactory)
    requester = factory.SubFactory(UserFactory)
    starts_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=2))
    ends_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=3))


class CalendarFeedFactory(DjangoModelFactory[CalendarFeed]):
    """A feed of the owner's own shifts; `schedule=…` for one of a schedule.

    Its address ends in `feed.token`.
    """

    class Meta:
        model = CalendarFeed

    owner = factory.SubFactory(UserFactory)
    person = factory.LazyAttribute(lambda o: None if o.schedule else o.owner)
    schedule = None
    name = factory.Sequence(lambda n: f"Calendar {n}")
    token = factory.Sequence(lambda n: f"calendar-secret-{n}")
    token_digest = factory.LazyAttribute(lambda o: hashlib.sha256(o.token.encode()).hexdigest())


class AnnouncementFactory(DjangoModelFactory[OnCallAnnouncement]):
    """A channel that is told on every change."""

    class Meta:
        model = OnCallAnnouncement

    schedule = factory.SubFactory(ScheduleFactory)
    destination = factory.SubFactory(DestinationFactory)


class PolicyFactory(DjangoModelFactory[EscalationPolicy]):
    """A policy without repeats; `steps=[(0, [bob, team]), (15, [schedule])]` gives it steps.

    A third part of a step sets other fields of it: `(0, [bob], {"urgency": "high"})`; instead of a
    target a dict gives its fields: `{"team": team, "leads_only": True}`.
    """

    class Meta:
        model = EscalationPolicy
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Policy {n}")
    repeat_times = 0

    @factory.post_generation  # type: ignore[misc]
    def steps(
        self,
        create: bool,
        steps: list[tuple[Any, ...]] | None,
        **kwargs: Any,
    ) -> None:
        """Add steps of (delay in minutes, targets, other fields)."""
        for position, (delay, targets, *other) in enumerate(steps or [], start=1):
            fields = other[0] if other else {}
            step = PolicyStep.objects.create(
                policy=self, position=position, delay_minutes=delay, **fields
            )
            for target in targets:
                named = (
                    target if isinstance(target, dict) else {type(target).__name__.lower(): target}
                )
                StepTarget.objects.create(step=step, **named)
