"""Browsers that are notified: subscribing one and taking it out again."""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.crypto import constant_time_compare

from notifications.channels.email import one_line
from notifications.models import ContactMethod, Notification
from notifications.models.preferences import (
    MAX_ADDRESS_LENGTH,
    Channel,
    validate_webhook_address,
)
from notifications.services.first_rules import use_at_once
from notifications.services.preferences import add_linked_method, remove_contact_method
from opsknight.encryption import CannotDecrypt
from opsknight.errors import Conflict, InvalidInput, NotFound
from opsknight.models import User
from opsknight.services.audit import record_change

AUTH_BYTES = 16  # RFC 8291, section 3.2
MAX_KEY_LENGTH = 100  # padded without end, it would still be a key
DEFAULT_LABEL = "Browser"


@dataclass(frozen=True)
class Subscription:
    """What `PushSubscription.toJSON()` of a browser says."""

    endpoint: str
    p256dh: str  # base64url
    auth: str  # base64url

    @property
    def secret(self) -> str:
        """As it is kept, encrypted, with the contact method."""
        return json.dumps({"p256dh": self.p256dh, "auth": self.auth})


def subscribe_browser(
    *,
    user: User,
    subscription: Subscription,
    now: datetime,
    label: str = "",
    ip: str | None = None,
) -> ContactMethod:
    """Push the person's pages to a browser; the same one again changes only its keys.

    Somebody else who was pushed in this browser before is not any more: it shows that it holds the
    same keys. Raises InvalidInput with the fields, and Conflict.
    """
    _check(subscription)
    with transaction.atomic():
        _take_over(user, subscription, ip)
        method = add_linked_method(
            user=user,
            channel=Channel.PUSH,
            address=subscription.endpoint,
            label=one_line(label)[:100] or DEFAULT_LABEL,
            secret=subscription.secret,
            now=now,
            ip=ip,
        )
        use_at_once(method=method, now=now, ip=ip)
    return method


def unsubscribe_browser(*, user: User, endpoint: str, ip: str | None = None) -> None:
    """Push nothing there any more; raises NotFound for a browser that is not the person's."""
    methods = ContactMethod.objects.filter(user=user, channel=Channel.PUSH, address=endpoint)
    pk = methods.values_list("pk", flat=True).first()
    if pk is None:
        raise NotFound("You are not notified in this browser.")
    remove_contact_method(user=user, pk=pk, ip=ip)


@transaction.atomic
def move_subscription(*, old: Subscription, new: Subscription) -> None:
    """Follow a browser whose push service gave it another address; what waits goes there.

    Nobody is signed in: whoever holds the keys of the old subscription is the browser. Raises
    NotFound where they are not those that we know, and InvalidInput.
    """
    methods = ContactMethod.objects.select_for_update(of=("self",)).defer("secret")
    found = methods.filter(channel=Channel.PUSH, address=old.endpoint)
    known = [method for method in found if _is_proved_by(method, old)]
    if not known:
        raise NotFound("There is no such subscription.")
    _check(new)
    for method in known:
        twins = ContactMethod.objects.filter(user=method.user_id, address=new.endpoint)
        twins.filter(channel=Channel.PUSH).exclude(pk=method.pk).delete()
        method.address, method.secret = new.endpoint, new.secret
        if method.is_broken:  # and not where its person switched it off
            method.enabled, method.broken_reason = True, ""
        method.save(update_fields=["address", "secret", "enabled", "broken_reason"])
        record_change(actor=None, action="contact_method.moved", entity=method)
        waiting = Notification.objects.filter(state=Notification.State.PENDING)
        waiting.filter(contact_method=method).update(address=new.endpoint)


def browser_marks(user: User) -> list[str]:
    """By which a browser finds out whether it is one of the person's: hashes of endpoints."""
    methods = ContactMethod.objects.filter(user=user, channel=Channel.PUSH, enabled=True)
    return [mark_of(endpoint) for endpoint in methods.values_list("address", flat=True)]


def mark_of(endpoint: str) -> str:
    """SHA-256 of an endpoint in hexadecimal: whoever has the endpoint itself may send there."""
    return hashlib.sha256(endpoint.encode()).hexdigest()


def _check(subscription: Subscription) -> None:
    fields: dict[str, list[str]] = {}
    if not _is_endpoint(subscription.endpoint):
        fields["endpoint"] = ["This is no address of a push service."]
    if not _is_point(subscription.p256dh):
        fields["p256dh"] = ["This is no public key of a browser."]
    is_bounded = len(subscription.auth) <= MAX_KEY_LENGTH
    if not is_bounded or len(_decoded(subscription.auth)) != AUTH_BYTES:
        fields["auth"] = [f"This must be {AUTH_BYTES} bytes in base64url."]
    if fields:
        raise InvalidInput("The browser sent something else than a subscription.", fields=fields)


def _is_endpoint(endpoint: str) -> bool:
    """https only, but on a machine where private addresses are allowed, which tests need."""
    try:
        validate_webhook_address(endpoint)
    except ValidationError:
        return False
    is_secure = urlsplit(endpoint).scheme == "https" or settings.WEBHOOK_ALLOW_PRIVATE
    return is_secure and len(endpoint) <= MAX_ADDRESS_LENGTH


def _is_point(key: str) -> bool:
    if len(key) > MAX_KEY_LENGTH:
        return False
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _decoded(key))
    except ValueError:
        return False
    return True


def _decoded(text: str) -> bytes:
    """Bytes of base64url, with or without padding; none for anything else."""
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _take_over(user: User, subscription: Subscription, ip: str | None) -> None:
    """End the subscriptions of others in the same browser."""
    others = ContactMethod.objects.select_for_update(of=("self",)).defer("secret")
    found = others.filter(channel=Channel.PUSH, address=subscription.endpoint)
    for method in found.exclude(user=user):
        if not _has_keys(method, subscription):
            raise Conflict("Somebody else is notified at this address.")
        changes = {"user": [str(method.user), str(user)]}
        action = "contact_method.taken_over"
        record_change(actor=user, action=action, entity=method, changes=changes, ip=ip)
        method.delete()


def _has_keys(method: ContactMethod, subscription: Subscription) -> bool:
    """Also where ours cannot be read: nobody is pushed there any more, whoever it was."""
    try:
        return _is_proved_by(method, subscription)
    except CannotDecrypt:
        return True


def _is_proved_by(method: ContactMethod, subscription: Subscription) -> bool:
    return constant_time_compare(method.secret, subscription.secret)
