"""What a person may see of notifications. The only way to one for a person."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery

from incidents.models import Incident
from incidents.selectors import visible_incidents
from notifications.models import (
    Absence,
    ChatAccount,
    ContactMethod,
    Destination,
    Notification,
    NotificationRule,
    SandboxMessage,
)
from notifications.models.preferences import Channel
from opsknight.errors import NotAllowed, NotFound
from opsknight.models import Team, TeamMember, User


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
        .select_related("user", "destination", "in_place_of")
        .defer("destination__secret")
        .annotate(kept_message_id=F("sandbox_message__pk"))
        .order_by("-created_at", "-pk")
    )


def visible_sandbox_messages(user: User) -> QuerySet[SandboxMessage]:
    """Messages of incidents the person may see, those addressed to the person, and notices and
    tests of destinations the person may see."""
    messages = SandboxMessage.objects.select_related(
        "notification__user", "notification__incident", "notification__destination"
    ).defer("notification__destination__secret")
    if not user.is_active:
        return messages.none()
    incidents = visible_incidents(user).values("pk")
    places = visible_destinations(user).values("pk")
    return messages.filter(
        Q(notification__user=user)
        | Q(notification__incident_id__in=incidents)
        | Q(notification__incident=None, notification__destination_id__in=places)
    )


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


def chat_accounts_of(user: User, channel: str) -> list[tuple[ChatAccount, str]]:
    """The person's accounts in a chat, each by the name that pages go to there, else by its id."""
    found = list(ChatAccount.objects.filter(user=user, channel=channel).order_by("pk"))
    methods = contact_methods_of(user).filter(channel=channel) if found else ()
    names = {method.address: method.label for method in methods}
    return [(account, names.get(account.member) or account.member) for account in found]


def get_contact_method_for(user: User, pk: int) -> ContactMethod:
    """One contact method of the person's own; raises NotFound.

    Its secret is read only when asked for: without its encryption key that fails.
    """
    method = contact_methods_of(user).filter(pk=pk).first()
    if method is None:
        raise NotFound("You have no such contact method. It may have been removed meanwhile.")
    return method


def rules_of(user: User) -> QuerySet[NotificationRule]:
    """A person's own rules of both lists, each in the order in which they act."""
    return (
        NotificationRule.objects.filter(user=user)
        .select_related("contact_method")
        .defer("contact_method__secret")
        .order_by("urgency", "delay_minutes", "contact_method_id")
    )


def get_rule_for(user: User, pk: int) -> NotificationRule:
    """One rule of the person's own; raises NotFound."""
    rule = (
        NotificationRule.objects.filter(user=user, pk=pk).select_related("contact_method").first()
    )
    if rule is None:
        raise NotFound("You have no such rule. It may have been removed meanwhile.")
    return rule


def absences_of(user: User, *, now: datetime) -> QuerySet[Absence]:
    """A person's own absences that are not over, by begin."""
    rows = Absence.objects.filter(user=user, ends_at__gt=now).select_related("substitute")
    return rows.order_by("begins_at", "pk")


def absences_covered_by(user: User, *, now: datetime) -> QuerySet[Absence]:
    """In whose place a person is paged, now or later, by begin."""
    rows = Absence.objects.filter(substitute=user, ends_at__gt=now).select_related("user")
    return rows.order_by("begins_at", "pk")


def get_absence_for(user: User, pk: int) -> Absence:
    """One absence of the person's own; raises NotFound."""
    absence = Absence.objects.filter(user=user, pk=pk).select_related("substitute", "user").first()
    if absence is None:
        raise NotFound("You have no such absence.")
    return absence


def lost_methods_of(user_ids: Iterable[int]) -> dict[int, list[ContactMethod]]:
    """What people want to be paged by and cannot: with a rule, and broken, stopped or unverified.

    Without those that their owners switched off. One query.
    """
    methods = ContactMethod.objects.defer("secret").filter(
        Exists(NotificationRule.objects.filter(contact_method=OuterRef("pk"))),
        user_id__in=list(user_ids),
    )
    lost: dict[int, list[ContactMethod]] = {}
    for method in methods.exclude(enabled=False, broken_reason="").order_by("pk"):
        if not method.is_usable:
            lost.setdefault(method.user_id, []).append(method)
    return lost


# Destinations


def visible_destinations(user: User) -> QuerySet[Destination]:
    """Responders see all, others those of their teams. Without the secrets."""
    places = Destination.objects.select_related("team").defer("secret").order_by("name")
    if not user.is_active:
        return places.none()
    if user.is_responder:
        return places
    teams = TeamMember.objects.filter(user=user).values("team_id")
    return places.filter(Q(team_id__in=teams) | Q(team__lead=user))


def destinations_with_last(user: User) -> QuerySet[Destination]:
    """Visible destinations with `last_at` and `last_state` of what last went there; one query."""
    rows = Notification.objects.filter(destination=OuterRef("pk")).order_by("-created_at", "-pk")
    return visible_destinations(user).annotate(
        last_at=Subquery(rows.values("created_at")[:1]),
        last_state=Subquery(rows.values("state")[:1]),
    )


def may_create_destinations(user: User) -> bool:
    """Administrators, and who runs a team."""
    return user.is_admin or teams_run_by(user).exists()


def get_destination_for(user: User, pk: int) -> Destination:
    """One destination; raises NotFound."""
    place = visible_destinations(user).filter(pk=pk).first()
    if place is None:
        raise NotFound(f"There is no destination {pk}.")
    return place


def teams_run_by(user: User) -> QuerySet[Team]:
    """Whose channels the person may change: as lead, owner or administrator of the team."""
    if user.is_admin:
        return Team.objects.all()
    roles = (TeamMember.Role.OWNER, TeamMember.Role.ADMIN)
    runs = TeamMember.objects.filter(user=user, role__in=roles).values("team_id")
    return Team.objects.filter(Q(lead=user) | Q(pk__in=runs))


def may_change_destination(user: User, destination: Destination) -> bool:
    """Administrators; of a channel of a team, also who runs the team."""
    if user.is_admin or destination.team_id is None:
        return user.is_admin
    return teams_run_by(user).filter(pk=destination.team_id).exists()


def get_destination_to_change_for(user: User, pk: int) -> Destination:
    """One destination to change; raises NotFound out of sight, NotAllowed in sight only."""
    place = get_destination_for(user, pk)
    if not may_change_destination(user, place):
        who = f"administrators and who leads {place.team}" if place.team else "administrators"
        raise NotAllowed(f"Only {who} may change {place.name}.")
    return place


def last_deliveries_to(
    user: User, destination: Destination, *, limit: int
) -> Sequence[Notification]:
    """What went to a destination lately, newest first, with its incident only where the person
    may see that; two queries."""
    rows = list(
        Notification.objects.filter(destination=destination)
        .select_related("incident__service")
        .annotate(kept_message_id=F("sandbox_message__pk"))
        .order_by("-created_at", "-pk")[:limit]
    )
    ids = {row.incident_id for row in rows if row.incident_id is not None}
    seen = set(visible_incidents(user).filter(pk__in=ids).values_list("pk", flat=True))
    for row in rows:
        if row.incident_id not in seen:
            row.incident = None
    return rows
