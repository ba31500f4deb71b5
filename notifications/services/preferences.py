"""A person's own contact methods and rules. Changes are audited."""

import secrets
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from notifications.models import ContactMethod, NotificationRule
from notifications.models.preferences import Channel
from notifications.selectors import get_contact_method_for, get_rule_for
from notifications.services.outbox import drop_rule_pages, queue_new_rule
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User
from opsknight.services.audit import changes_of, record_change, values_of

METHOD_FIELDS = ("channel", "label", "address", "enabled", "broken_reason")
RULE_FIELDS = ("contact_method", "delay_minutes")
MAX_METHODS = 20
MAX_RULES = 100  # each is a message in every page
MAX_DELAY_MINUTES = 24 * 60


def add_contact_method(
    *, user: User, channel: str, address: str, label: str = "", ip: str | None = None
) -> ContactMethod:
    """Add an address; webhooks get a signing secret.

    Raises InvalidInput for an address that cannot be used, Conflict for one that is there already.
    """
    method = ContactMethod(
        user=user,
        channel=channel,
        address=address,
        label=label,
        secret=secrets.token_urlsafe(32) if channel == Channel.WEBHOOK else "",
    )
    try:
        method.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise InvalidInput("Check the fields.", fields=error.message_dict) from error
    if ContactMethod.objects.filter(user=user).count() >= MAX_METHODS:
        raise Conflict(f"You have {MAX_METHODS} contact methods already. Remove one first.")
    try:
        with transaction.atomic():
            method.save()
            record_change(
                actor=user,
                action="contact_method.created",
                entity=method,
                changes=changes_of(None, method, METHOD_FIELDS),
                ip=ip,
            )
    except IntegrityError as error:
        raise Conflict("You have this address already.") from error
    return method


def enable_contact_method(*, user: User, pk: int, ip: str | None = None) -> ContactMethod:
    """Use it again; why it was switched off is forgotten."""
    return _switch(user, pk, is_enabled=True, ip=ip)


def disable_contact_method(*, user: User, pk: int, ip: str | None = None) -> ContactMethod:
    """Do not use it until it is enabled again; its rules stay."""
    return _switch(user, pk, is_enabled=False, ip=ip)


def _switch(user: User, pk: int, *, is_enabled: bool, ip: str | None) -> ContactMethod:
    method = get_contact_method_for(user, pk)
    before = values_of(method, METHOD_FIELDS)
    method.enabled = is_enabled
    method.broken_reason = ""
    with transaction.atomic():
        method.save(update_fields=["enabled", "broken_reason"])
        record_change(
            actor=user,
            action="contact_method.updated",
            entity=method,
            changes=changes_of(before, method, METHOD_FIELDS),
            ip=ip,
        )
    return method


def remove_contact_method(*, user: User, pk: int, ip: str | None = None) -> None:
    """Remove an address with its rules. Pages that wait for it go another way at their time."""
    method = get_contact_method_for(user, pk)
    with transaction.atomic():
        record_change(actor=user, action="contact_method.deleted", entity=method, ip=ip)
        method.delete()


def add_rule(
    *,
    user: User,
    contact_method_id: int,
    delay_minutes: int,
    now: datetime,
    ip: str | None = None,
) -> NotificationRule:
    """Add a rule; it takes part at once in what the person is being paged for.

    Raises InvalidInput for a delay beyond a day, Conflict for a rule that is there already.
    """
    if not 0 <= delay_minutes <= MAX_DELAY_MINUTES:
        message = f"Use 0 to {MAX_DELAY_MINUTES} minutes."
        raise InvalidInput("Check the fields.", fields={"delay_minutes": [message]})
    method = get_contact_method_for(user, contact_method_id)
    if NotificationRule.objects.filter(user=user).count() >= MAX_RULES:
        raise Conflict(f"You have {MAX_RULES} rules already. Remove one first.")
    rule = NotificationRule(user=user, contact_method=method, delay_minutes=delay_minutes)
    try:
        with transaction.atomic():
            rule.save()
            queue_new_rule(rule=rule, now=now)
            record_change(
                actor=user,
                action="notification_rule.created",
                entity=rule,
                changes=changes_of(None, rule, RULE_FIELDS),
                ip=ip,
            )
    except IntegrityError as error:
        raise Conflict("You have this rule already.") from error
    return rule


def remove_rule(*, user: User, pk: int, ip: str | None = None) -> None:
    """Remove a rule; its waiting pages are cancelled."""
    rule = get_rule_for(user, pk)
    with transaction.atomic():
        record_change(actor=user, action="notification_rule.deleted", entity=rule, ip=ip)
        drop_rule_pages(rule=rule)
        rule.delete()
