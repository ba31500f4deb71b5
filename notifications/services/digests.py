"""Digests: incidents of low urgency, gathered instead of being paged.

The notice in the app, written at once, carries the mark `{"digest": true}` until a digest told of
it. Times would not do: a page becomes visible when its transaction ends, perhaps after a digest
that was sent later than the page was written.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Min, QuerySet

from incidents.models import Incident
from notifications.models import Notification, NotificationRule, PagingPreferences
from notifications.models.preferences import Channel
from notifications.services.notices import NoticeRequest, build_notice
from notifications.services.nudging import wake_channels
from notifications.services.planning import digest_of, preferences_of, quiet_hours_of
from opsknight.models import User

MAX_LINES = 50


def send_due_digests(*, now: datetime) -> int:
    """Send the digests whose time has come, outside of quiet hours; returns how many were sent.

    Whoever has no digest any more is told now of what was gathered. Any number may run at once: a
    notice is told of by whoever locks it first.
    """
    waiting = _untold().values_list("user_id").annotate(since=Min("created_at"))
    due = [user_id for user_id, since in waiting if user_id and _is_due(user_id, since, now)]
    sent = 0
    for user_id in due:
        with transaction.atomic():
            user = User.objects.select_related("paging_preferences").get(pk=user_id)
            sent += send_digest(chosen=preferences_of(user), now=now)
    return sent


def _untold() -> QuerySet[Notification]:
    return Notification.objects.filter(
        channel=Channel.IN_APP, details__digest=True, user__status=User.Status.ACTIVE
    ).order_by()


def _is_due(user_id: int, since: datetime, now: datetime) -> bool:
    """Whether somebody is to be told of what waits since then."""
    user = User.objects.select_related("paging_preferences").filter(pk=user_id).first()
    if user is None:
        return False
    chosen = preferences_of(user)
    digest = digest_of(chosen, user.time_zone)
    if digest is not None and digest.next_after(since) > now:
        return False
    quiet = quiet_hours_of(chosen, user.time_zone)
    return quiet is None or quiet.end_of(now, Incident.Urgency.LOW) is None


def send_digest(*, chosen: PagingPreferences, now: datetime) -> bool:
    """Queue one mail with what was gathered since the last; returns whether there was anything.

    The caller holds the transaction.
    """
    gathered = _gathered(chosen, now)
    if not gathered:
        return False
    count = len(gathered)
    address, method_id = _address_of(chosen.user)
    request = NoticeRequest(
        user_id=chosen.user_id,
        subject=f"{count} incident{'s' if count > 1 else ''} of low urgency",
        text="\n".join(_lines(gathered)),
        link="/incidents/?urgency=low",
        cause=f"digest:{chosen.user_id}:{now:%Y%m%d%H%M%S%f}",
    )
    row = build_notice(request, Channel.EMAIL, address, now, Notification.Reason.DIGEST)
    row.contact_method_id = method_id
    row.save(force_insert=True)
    wake_channels([Channel.EMAIL])
    return True


def _gathered(chosen: PagingPreferences, now: datetime) -> Sequence[Incident]:
    """The incidents of which no digest has told; marks that one does. Waits for another digest."""
    notices = _untold().select_for_update(of=("self",), no_key=True)
    notices = notices.filter(user=chosen.user_id, created_at__lte=now)
    found = dict(notices.order_by("pk").values_list("pk", "incident_id"))
    Notification.objects.filter(pk__in=found).update(details={"digest": False})
    incidents = Incident.objects.filter(pk__in=found.values())
    return list(incidents.select_related("service").order_by("created_at", "pk"))


def _lines(incidents: Sequence[Incident]) -> list[str]:
    lines = [
        f"#{incident.pk} {incident.title} ({incident.service.name}): "
        f"{incident.get_status_display().lower()}"
        for incident in incidents[:MAX_LINES]
    ]
    more = len(incidents) - len(lines)
    return [*lines, f"and {more} more"] if more > 0 else lines


def _address_of(user: User) -> tuple[str, int | None]:
    """The e-mail address by which low urgency comes, else the account's own."""
    rules = NotificationRule.objects.filter(
        user=user,
        urgency=NotificationRule.Urgency.OTHER,
        contact_method__channel=Channel.EMAIL,
    )
    for rule in rules.select_related("contact_method").order_by("delay_minutes", "pk"):
        if rule.contact_method.is_usable:
            return rule.contact_method.address, rule.contact_method_id
    return user.email, None
