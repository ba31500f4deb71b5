"""Switches off an address that its provider refused for good."""

from django.utils import timezone

from notifications.models import ContactMethod, Destination, Notification
from notifications.services.notices import NoticeRequest, queue_notices
from notifications.services.stopping import stop_address
from opsknight.services.audit import record_change


def break_address(row: Notification, *, is_stop: bool = False) -> None:
    """Switch off what the failed `row` went to, until somebody looks at it; its page says why.

    `is_stop`: only until its owner sends START, as if STOP had been sent to us. The caller holds
    the transaction. The account's own address is never switched off. The owner of a contact method
    is told.
    """
    method = _method_of(row)
    if method is None:
        return
    if is_stop and isinstance(method, ContactMethod):
        stop_address(channel=row.channel, address=row.address, now=timezone.now())
        _tell_owner(method, row, "Send START from it to be paged there again.")
        return
    method.enabled = False
    method.broken_reason = row.last_error
    method.save(update_fields=["enabled", "broken_reason"])
    kind = "destination" if isinstance(method, Destination) else "contact_method"
    record_change(
        actor=None,
        action=f"{kind}.broken",
        entity=method,
        changes={"enabled": [True, False], "broken_reason": ["", row.last_error]},
    )
    if isinstance(method, ContactMethod):
        _tell_owner(method, row, "Correct it, or switch it on again.")


def _tell_owner(method: ContactMethod, row: Notification, advice: str) -> None:
    """In the app, and by e-mail to the account's address."""
    notice = NoticeRequest(
        user_id=method.user_id,
        subject=f"You are not paged any more: {method}",
        text=f"It was refused for good: {row.last_error}\n"
        f"Pages go to your account's e-mail address instead. {advice}",
        link="/settings/notifications/",
        cause=f"broken:{method.pk}:{row.pk}",
    )
    queue_notices(notices=[notice], now=timezone.now())


def _method_of(row: Notification) -> ContactMethod | Destination | None:
    """What is still in use under the address. Without its secret: a lost encryption key must not
    keep outcomes from being recorded."""
    if row.destination_id is not None:
        places = Destination.objects.defer("secret").filter(enabled=True, address=row.address)
        return places.filter(pk=row.destination_id).first()
    methods = ContactMethod.objects.defer("secret").filter(enabled=True)
    return methods.filter(pk=row.contact_method_id or 0).first()
