"""A person's own contact methods and rules. Changes are audited."""

import secrets
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from notifications.channels import CHANNELS
from notifications.models import ContactMethod, NotificationRule
from notifications.models.preferences import Channel
from notifications.selectors import get_contact_method_for, get_rule_for
from notifications.services.rule_pages import drop_rule_pages, queue_new_rule, step_in_for
from notifications.services.verification import needs_code, send_code
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User
from opsknight.services.audit import changes_of, record_change, values_of

METHOD_FIELDS = ("channel", "label", "address", "enabled", "broken_reason", "status_updates")
RULE_FIELDS = ("contact_method", "urgency", "delay_minutes")
# What a person can add by writing it down; the others are added when they are linked.
ADDABLE = (Channel.EMAIL, Channel.SMS, Channel.VOICE, Channel.WHATSAPP, Channel.WEBHOOK)
MAX_METHODS = 20
MAX_RULES = 100  # each is a message in every page
MAX_DELAY_MINUTES = 24 * 60
LABEL_LENGTH = 100


def addable_channels() -> list[Channel]:
    """The channels of which a person can write down an address."""
    return [channel for channel in ADDABLE if channel in CHANNELS]


def add_contact_method(
    *,
    user: User,
    channel: str,
    address: str,
    now: datetime,
    label: str = "",
    ip: str | None = None,
) -> ContactMethod:
    """Add an address; webhooks get a signing secret. One that must be verified is sent its code.

    Raises InvalidInput for an address that cannot be used, Conflict for one that is there already,
    TooManyCodes.
    """
    if channel not in addable_channels():
        message = "Nothing of this kind can be added here."
        raise InvalidInput(message, fields={"channel": [message]})
    secret = secrets.token_urlsafe(32) if channel == Channel.WEBHOOK else ""
    method = ContactMethod(user=user, channel=channel, address=address, label=label, secret=secret)
    try:
        method.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise InvalidInput("Check the fields.", fields=error.message_dict) from error
    needs = needs_code(user, channel, method.address)
    method.verified_at = None if needs else now
    try:
        with transaction.atomic():
            _add(method, ip)
            if needs:
                send_code(user=user, pk=method.pk, now=now, ip=ip)
    except IntegrityError as error:
        raise Conflict("You have this address already.") from error
    return method


@transaction.atomic
def add_linked_method(
    *,
    user: User,
    channel: str,
    address: str,
    now: datetime,
    label: str = "",
    secret: str = "",
    ip: str | None = None,
) -> ContactMethod:
    """Add what the person just proved to have: a browser, a member of a chat.

    One that is there already gets the new secret and is used again. Raises Conflict for too many.
    """
    methods = ContactMethod.objects.select_for_update(of=("self",)).defer("secret")
    method = methods.filter(user=user, channel=channel, address=address).first()
    if method is None:
        method = ContactMethod(
            user=user, channel=channel, address=address, label=label, secret=secret, verified_at=now
        )
        _add(method, ip)
        return method
    before = values_of(method, METHOD_FIELDS)
    method.secret, method.enabled, method.broken_reason = secret, True, ""
    method.verified_at = method.verified_at or now
    method.save(update_fields=["secret", "enabled", "broken_reason", "verified_at"])
    if changes := changes_of(before, method, METHOD_FIELDS):
        action = "contact_method.updated"
        record_change(actor=user, action=action, entity=method, changes=changes, ip=ip)
    return method


def _add(method: ContactMethod, ip: str | None) -> None:
    """Save a new one; locks its person, so that two at once count each other."""
    user = User.objects.select_for_update(no_key=True).get(pk=method.user_id)
    if ContactMethod.objects.filter(user=user).count() >= MAX_METHODS:
        raise Conflict(f"You have {MAX_METHODS} contact methods already. Remove one first.")
    method.save(force_insert=True)
    record_change(
        actor=user,
        action="contact_method.created",
        entity=method,
        changes=changes_of(None, method, METHOD_FIELDS),
        ip=ip,
    )


@transaction.atomic
def change_contact_method(
    *,
    user: User,
    pk: int,
    now: datetime,
    label: str | None = None,
    status_updates: bool | None = None,
    ip: str | None = None,
) -> ContactMethod:
    """Change what it is called, and whether it is told what became of incidents; None: as it is."""
    method = get_contact_method_for(user, pk)
    before = values_of(method, METHOD_FIELDS)
    if label is not None:
        method.label = label.strip()[:LABEL_LENGTH]
    if status_updates is not None and status_updates != method.status_updates:
        method.status_updates = status_updates
        method.status_updates_since = now if status_updates else None
    if changes := changes_of(before, method, METHOD_FIELDS):
        method.save(update_fields=["label", "status_updates", "status_updates_since"])
        action = "contact_method.updated"
        record_change(actor=user, action=action, entity=method, changes=changes, ip=ip)
    return method


def enable_contact_method(*, user: User, pk: int, ip: str | None = None) -> ContactMethod:
    """Use it again; why it was switched off is forgotten."""
    return switch_contact_method(user=user, pk=pk, is_enabled=True, ip=ip)


def disable_contact_method(*, user: User, pk: int, ip: str | None = None) -> ContactMethod:
    """Do not use it until it is enabled again; its rules stay."""
    return switch_contact_method(user=user, pk=pk, is_enabled=False, ip=ip)


def switch_contact_method(
    *, user: User, pk: int, is_enabled: bool, ip: str | None = None
) -> ContactMethod:
    """Switch it on or off; why it was switched off is forgotten."""
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
    urgency: str = NotificationRule.Urgency.HIGH,
    ip: str | None = None,
) -> NotificationRule:
    """Add a rule to one of the two lists; it takes part at once in what the person is paged for.

    Raises InvalidInput for a delay beyond a day, Conflict for a rule that is there already.
    """
    _check_rule(urgency, delay_minutes)
    method = get_contact_method_for(user, contact_method_id)
    rule = NotificationRule(
        user=user, contact_method=method, urgency=urgency, delay_minutes=delay_minutes
    )
    try:
        with transaction.atomic():
            User.objects.select_for_update(no_key=True).get(pk=user.pk)
            if NotificationRule.objects.filter(user=user).count() >= MAX_RULES:
                raise Conflict(f"You have {MAX_RULES} rules already. Remove one first.")
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


def change_rule(
    *, user: User, pk: int, delay_minutes: int, now: datetime, ip: str | None = None
) -> NotificationRule:
    """Give a rule another delay, and thereby another place in its list.

    What waits by the old delay is cancelled; the new one takes part at once, as a new rule does,
    also where its time is past: what waited must not be lost. Raises InvalidInput, Conflict for a
    rule that is there already.
    """
    rule = get_rule_for(user, pk)
    _check_rule(rule.urgency, delay_minutes)
    if rule.delay_minutes == delay_minutes:
        return rule
    before = values_of(rule, RULE_FIELDS)
    try:
        with transaction.atomic():
            dropped = drop_rule_pages(rule=rule, now=now)
            rule.delay_minutes = delay_minutes
            rule.save(update_fields=["delay_minutes"])
            waited = {row.incident_id for row in dropped if row.incident_id is not None}
            queue_new_rule(rule=rule, now=now, late_for=waited)
            step_in_for(dropped, now=now)
            record_change(
                actor=user,
                action="notification_rule.updated",
                entity=rule,
                changes=changes_of(before, rule, RULE_FIELDS),
                ip=ip,
            )
    except IntegrityError as error:
        raise Conflict("You have this rule already.") from error
    return rule


def _check_rule(urgency: str, delay_minutes: int) -> None:
    if urgency not in NotificationRule.Urgency.values:
        message = "Use high or other."
        raise InvalidInput("Check the fields.", fields={"urgency": [message]})
    if not 0 <= delay_minutes <= MAX_DELAY_MINUTES:
        message = f"Use 0 to {MAX_DELAY_MINUTES} minutes."
        raise InvalidInput("Check the fields.", fields={"delay_minutes": [message]})


def remove_rule(*, user: User, pk: int, ip: str | None = None) -> None:
    """Remove a rule; its waiting pages are cancelled, an only one goes to the account's address."""
    rule, now = get_rule_for(user, pk), timezone.now()
    with transaction.atomic():
        record_change(actor=user, action="notification_rule.deleted", entity=rule, ip=ip)
        dropped = drop_rule_pages(rule=rule, now=now)
        rule.delete()
        step_in_for(dropped, now=now)
