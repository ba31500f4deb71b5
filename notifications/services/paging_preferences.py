"""Quiet hours and digest of a person. Changes are audited."""

from collections.abc import Sequence
from datetime import datetime, time
from typing import TypedDict

from django.db import transaction

from notifications.models import PagingPreferences
from notifications.services.digests import send_digest
from notifications.services.planning import preferences_of
from opsknight.errors import InvalidInput
from opsknight.models import User
from opsknight.services.audit import changes_of, record_change, values_of
from opsknight.services.configuration import check

Quiet = PagingPreferences.Quiet
FIELDS = (
    "quiet_up_to", "quiet_from", "quiet_until", "quiet_weekdays", "digest", "digest_at",
)  # fmt: skip


class PreferenceValues(TypedDict, total=False):
    """What can be set; what is left out stays as it is."""

    quiet_up_to: str  # "", low, medium or high
    quiet_from: time | None
    quiet_until: time | None
    quiet_weekdays: Sequence[int]  # on which they begin, 0 is Monday; empty: every day
    digest: str  # "", hourly or daily
    digest_at: time | None


@transaction.atomic
def set_paging_preferences(
    *, user: User, values: PreferenceValues, now: datetime, ip: str | None = None
) -> PagingPreferences:
    """Choose quiet hours and digest. Raises InvalidInput with the fields.

    What was gathered for a digest that is given up, or comes at another time, is sent now. Pages
    that wait for the end of quiet hours already follow within seconds: see quiet_pages.py.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    user = User.objects.select_related("paging_preferences").get(pk=user.pk)
    chosen = preferences_of(user)
    before = values_of(chosen, FIELDS) if chosen.pk else None
    old_digest = (chosen.digest, chosen.digest_at)
    for name, value in values.items():
        setattr(chosen, name, value)
    chosen.quiet_weekdays = sorted(set(chosen.quiet_weekdays))
    _check(chosen)
    if old_digest[0] and old_digest != (chosen.digest, chosen.digest_at):
        send_digest(chosen=chosen, now=now)
    chosen.save()
    if changes := changes_of(before, chosen, FIELDS):
        action = "paging_preferences.updated"
        record_change(actor=user, action=action, entity=chosen, changes=changes, ip=ip)
    return chosen


def _check(chosen: PagingPreferences) -> None:
    fields: dict[str, list[str]] = {}
    if chosen.quiet_up_to:
        for name in ("quiet_from", "quiet_until"):
            if getattr(chosen, name) is None:
                fields[name] = ["Say when."]
        if not fields and chosen.quiet_from == chosen.quiet_until:
            fields["quiet_until"] = ["Quiet hours must end at another time than they begin."]
    if chosen.digest == PagingPreferences.Digest.DAILY and chosen.digest_at is None:
        fields["digest_at"] = ["Say at what time."]
    if fields:
        raise InvalidInput("Check the fields.", fields=fields)
    check(chosen, exclude=["user"])
