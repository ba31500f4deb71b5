"""Digests: incidents of low urgency, gathered instead of being paged.

The notice in the app, written at once, carries the mark `{"digest": true}` until a digest told of
it. Times would not do: a page becomes visible when its transaction ends, perhaps after a digest
that was sent later than the page was written.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from incidents.models import Incident
from notifications.models import Notification, NotificationRule, PagingPreferences
from notifications.models.preferences import Channel
from notifications.services.notices import NoticeRequest, build_notice
from notifications.services.nudging import wake_channels
from notifications.services.planning import digest_of, quiet_hours_of
from opsknight.models import User

MAX_LINES = 50
BATCH = 200
# So long before the last digest marks are looked for: longer than any transaction takes.
OVERLAP = timedelta(days=1)


def send_due_digests(*, now: datetime) -> int:
    """Send the digests whose time has come, outside of quiet hours; returns how many were sent.

    Any number may run at once: each person's row is claimed with SKIP LOCKED.
    """
    sent, last = 0, 0
    while True:
        with transaction.atomic():
            rows = list(
                PagingPreferences.objects.select_for_update(of=("self",), skip_locked=True)
                .select_related("user")
                .exclude(digest="")
                .filter(user__status=User.Status.ACTIVE, pk__gt=last)
                .order_by("pk")[:BATCH]
            )
            due = [chosen for chosen in rows if _is_due(chosen, now)]
            sent += sum(send_digest(chosen=chosen, now=now) for chosen in due)
            PagingPreferences.objects.filter(pk__in=[c.pk for c in due]).update(digested_until=now)
        if len(rows) < BATCH:
            return sent
        last = rows[-1].pk


def _is_due(chosen: PagingPreferences, now: datetime) -> bool:
    zone = chosen.user.time_zone
    digest, quiet = digest_of(chosen, zone), quiet_hours_of(chosen, zone)
    if digest is None or digest.next_after(chosen.digested_until or now) > now:
        return False
    return quiet is None or quiet.end_of(now, Incident.Urgency.LOW) is None


def send_digest(*, chosen: PagingPreferences, now: datetime) -> bool:
    """Queue one mail with what was gathered since the last; returns whether there was anything.

    The caller holds the transaction, and notes the time as `digested_until`.
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
    notices = Notification.objects.select_for_update(no_key=True).filter(
        user=chosen.user_id, channel=Channel.IN_APP, details__digest=True, created_at__lte=now
    )
    if chosen.digested_until is not None:
        notices = notices.filter(created_at__gt=chosen.digested_until - OVERLAP)
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
