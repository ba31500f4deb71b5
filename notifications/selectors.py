"""What a person may see of notifications. The only way to one for a person."""

from collections.abc import Iterable

from django.db.models import Count, F, Q, QuerySet

from incidents.models import Incident
from incidents.selectors import visible_incidents
from notifications.models import ContactMethod, Notification, NotificationRule, SandboxMessage
from notifications.models.preferences import Channel
from opsknight.errors import NotAllowed, NotFound
from opsknight.models import User


def notices_of(user: User) -> QuerySet[Notification]:
    """A person's own notices in the app, newest first."""
    return (
        Notification.objects.filter(
            user=user, channel=Channel.IN_APP, state=Notification.State.DELIVERED
        )
        .select_related("incident__service")
        .order_by("-created_at", "-pk")
    )


def get_notice_for(user: User, pk: int) -> Notification:
    """One notice of the person's own; raises NotFound."""
    notice = notices_of(user).filter(pk=pk).first()
    if notice is None:
        raise NotFound("You have no such notice.")
    return notice


def unread_counts(user_ids: Iterable[int]) -> dict[int, int]:
    """How many unread notices each of these people has; one query."""
    ids = list(user_ids)
    rows = (
        Notification.objects.filter(
            user_id__in=ids,
            channel=Channel.IN_APP,
            state=Notification.State.DELIVERED,
            read_at=None,
        )
        .order_by()
        .values("user_id")
        .annotate(unread=Count("pk"))
    )
    counts = {row["user_id"]: row["unread"] for row in rows}
    return {pk: counts.get(pk, 0) for pk in ids}


def deliveries_of(incident: Incident) -> QuerySet[Notification]:
    """Everything that was to reach somebody outside the app about an incident, newest first."""
    return (
        Notification.objects.filter(incident=incident)
        .exclude(channel=Channel.IN_APP)
        .select_related("user")
        .annotate(kept_message_id=F("sandbox_message__pk"))
        .order_by("-created_at", "-pk")
    )


def visible_sandbox_messages(user: User) -> QuerySet[SandboxMessage]:
    """Messages of incidents the person may see, and those addressed to the person."""
    messages = SandboxMessage.objects.select_related("notification__user", "notification__incident")
    if not user.is_active:
        return messages.none()
    seen = visible_incidents(user).values("pk")
    return messages.filter(Q(notification__user=user) | Q(notification__incident_id__in=seen))


def require_sandbox(user: User) -> None:
    """Raise NotAllowed for those who do not run the installation's paging."""
    if not user.is_responder:
        raise NotAllowed("The sandbox is for responders. Ask an administrator for the role.")


def get_sandbox_message_for(user: User, pk: int) -> SandboxMessage:
    """One message; raises NotFound out of sight, NotAllowed for a plain user in sight of it."""
    message = visible_sandbox_messages(user).filter(pk=pk).first()
    if message is None:
        raise NotFound("There is no such message in the sandbox.")
    require_sandbox(user)
    return message


def contact_methods_of(user: User) -> QuerySet[ContactMethod]:
    """A person's own contact methods, without their secrets."""
    return ContactMethod.objects.filter(user=user).defer("secret").order_by("pk")


def get_contact_method_for(user: User, pk: int) -> ContactMethod:
    """One contact method of the person's own; raises NotFound.

    Its secret is read only when asked for: without its encryption key that fails.
    """
    method = contact_methods_of(user).filter(pk=pk).first()
    if method is None:
        raise NotFound("You have no such contact method.")
    return method


def rules_of(user: User) -> QuerySet[NotificationRule]:
    """A person's own rules in the order in which they act."""
    return (
        NotificationRule.objects.filter(user=user)
        .select_related("contact_method")
        .defer("contact_method__secret")
        .order_by("delay_minutes", "contact_method_id")
    )


def get_rule_for(user: User, pk: int) -> NotificationRule:
    """One rule of the person's own; raises NotFound."""
    rule = (
        NotificationRule.objects.filter(user=user, pk=pk).select_related("contact_method").first()
    )
    if rule is None:
        raise NotFound("You have no such rule.")
    return rule
