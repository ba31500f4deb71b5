"""Calendar feeds: whose they are, and which schedules they show."""

from django.conf import settings
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.urls import reverse

from escalations.models import (
    CalendarFeed,
    ImportedShift,
    LayerMember,
    OnCallSettings,
    Override,
    ScheduleVersion,
    TemporaryShift,
)
from opsknight.encryption import CannotDecrypt, decrypt
from opsknight.errors import NotFound
from opsknight.models import User


def are_feeds_enabled() -> bool:
    """False while administrators have switched all calendar feeds off; one query."""
    off = OnCallSettings.objects.filter(pk=OnCallSettings.ONLY, calendar_feeds_enabled=False)
    return not off.exists()


def visible_feeds(user: User) -> QuerySet[CalendarFeed]:
    """One's own feeds; administrators see that others have some, but not their addresses."""
    feeds = CalendarFeed.objects.select_related("owner", "schedule", "person").defer("token")
    if not user.is_active:
        return feeds.none()
    return feeds if user.is_admin else feeds.filter(owner=user)


def get_feed_for(user: User, pk: int) -> CalendarFeed:
    """One feed; raises NotFound."""
    feed = visible_feeds(user).filter(pk=pk).first()
    if feed is None:
        raise NotFound(f"There is no calendar feed {pk}.")
    return feed


def addresses_of(user: User) -> dict[int, str]:
    """The secret addresses of one's own feeds by id, "" where the secret is lost; one query.

    Decrypted one by one, and not by the query: one lost key must not hide the others.
    """
    sealed = CalendarFeed.objects.filter(owner=user).annotate(
        sealed=Cast("token", output_field=TextField())
    )
    return {pk: _address(text) for pk, text in sealed.values_list("pk", "sealed")}


def _address(sealed: str) -> str:
    try:
        token = decrypt(sealed)
    except CannotDecrypt:
        return ""
    return f"{settings.PUBLIC_URL}{reverse('escalations:calendar_file', args=[token])}"


def schedules_of_person(user_id: int) -> list[int]:
    """The ids of schedules in which somebody stands or stood; five queries."""
    mine = {"user_id": user_id}
    rows = [
        LayerMember.objects.filter(**mine).values_list("layer__schedule_id", flat=True),
        ImportedShift.objects.filter(**mine).values_list("layer__schedule_id", flat=True),
        Override.objects.filter(**mine).values_list("schedule_id", flat=True),
        TemporaryShift.objects.filter(**mine).values_list("temporary__schedule_id", flat=True),
        ScheduleVersion.objects.filter(people__has_key=str(user_id)).values_list(
            "schedule_id", flat=True
        ),
    ]
    return sorted({schedule_id for ids in rows for schedule_id in ids.order_by().distinct()})
