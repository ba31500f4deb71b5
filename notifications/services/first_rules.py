"""Rules for what a person has just linked: who presses “Notify me” wants to be notified."""

from datetime import datetime

from django.db import transaction

from notifications.models import ContactMethod, NotificationRule
from notifications.models.preferences import Channel
from notifications.services.preferences import add_contact_method, add_rule
from opsknight.models import User

Urgency = NotificationRule.Urgency


@transaction.atomic
def use_at_once(*, method: ContactMethod, now: datetime, ip: str | None = None) -> None:
    """Page the method's owner there at once, in both lists; one that has rules keeps them.

    A list that was empty gets the account's e-mail address as well: until then pages went there,
    and linking something must never mean to be reached by less. Raises Conflict for too many
    contact methods or rules.
    """
    if method.rules.exists():
        return
    user = method.user
    used = set(NotificationRule.objects.filter(user=user).values_list("urgency", flat=True))
    for urgency in Urgency.values:
        if urgency not in used:
            _add_rule(_account_method(user, now, ip), urgency, now, ip)
        _add_rule(method, urgency, now, ip)


def _add_rule(method: ContactMethod, urgency: str, now: datetime, ip: str | None) -> None:
    add_rule(
        user=method.user,
        contact_method_id=method.pk,
        delay_minutes=0,
        urgency=urgency,
        now=now,
        ip=ip,
    )


def _account_method(user: User, now: datetime, ip: str | None) -> ContactMethod:
    """The account's address as a contact method, made when it is none yet."""
    methods = ContactMethod.objects.defer("secret").select_related("user")
    known = methods.filter(user=user, channel=Channel.EMAIL, address=user.email).first()
    if known is not None:
        return known
    return add_contact_method(user=user, channel=Channel.EMAIL, address=user.email, now=now, ip=ip)
