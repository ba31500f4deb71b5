"""The secrets that deliveries are signed with, and whether a signature is required.

Audited like every change of configuration; the secrets themselves never are. What changes here
holds at the door within ten seconds.
"""

import base64
import re
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from incidents.intake.proofs import STANDARD_PREFIX
from incidents.intake.schemes import SCHEMES, Scheme
from incidents.models import Integration
from opsknight.errors import Conflict, InvalidInput, NotFound
from opsknight.models import User
from opsknight.services.configuration import save_changes

KEEP: Final = timedelta(hours=24)  # how long an old secret stays valid by default
MAX_KEEP: Final = timedelta(days=30)
MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 500
_TOPIC: Final = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,256}")


def new_signing_secret(kind: str) -> str:
    """A secret of 32 random bytes, in a form that the vendor's field takes."""
    if kind == Integration.Kind.GITLAB:
        return STANDARD_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(32)


def prepare_signing(integration: Integration) -> None:
    """Set what a new integration begins with; the caller saves it.

    Where the vendor signs, a signature is required from the first delivery on. Where the secret
    is ours to choose, there is one; where the vendor makes it, somebody must bring it.
    """
    scheme = SCHEMES.get(integration.kind)
    if scheme is None:
        return
    integration.signature_required = scheme.is_default
    if scheme.maker == "us":
        integration.signing_secret = new_signing_secret(integration.kind)


def store_signing_secret(
    *,
    integration: Integration,
    secret: str,
    keep: timedelta = KEEP,
    actor: User | None,
    ip: str | None = None,
) -> Integration:
    """Use this secret from now on; the present one stays valid for `keep` (none: timedelta()).

    Raises InvalidInput, Conflict for kinds without signatures, NotFound.
    """
    scheme = _scheme_of(integration)
    secret = _checked(scheme, secret.strip())
    if not timedelta() <= keep <= MAX_KEEP:
        raise _invalid("keep", f"Keep it for {MAX_KEEP.days} days at most.")
    with transaction.atomic():
        _lock(integration)
        old = integration.signing_secret
        if secret == old:
            return integration
        values: dict[str, Any] = {"signing_secret": secret} | _previous(old, keep)
        action = "integration.secret_rotated" if old else "integration.secret_stored"
        save_changes(entity=integration, values=values, action=action, actor=actor, ip=ip)
    return integration


def generate_signing_secret(
    *,
    integration: Integration,
    keep: timedelta = KEEP,
    actor: User | None,
    ip: str | None = None,
) -> Integration:
    """A new secret of ours; the present one stays valid for `keep`.

    Raises Conflict where the vendor makes the secret, InvalidInput, NotFound.
    """
    scheme = _scheme_of(integration)
    if scheme.maker != "us":
        raise Conflict(f"This secret is not ours to make. It comes from {scheme.where}.")
    secret = new_signing_secret(integration.kind)
    return store_signing_secret(
        integration=integration, secret=secret, keep=keep, actor=actor, ip=ip
    )


def clear_signing_secret(
    *, integration: Integration, actor: User | None, ip: str | None = None
) -> Integration:
    """Forget the secrets; raises Conflict while a signature is required that needs one."""
    scheme = _scheme_of(integration)
    with transaction.atomic():
        _lock(integration)
        if integration.signature_required and scheme.maker != "nobody":
            raise Conflict(
                "Without a secret every delivery would be refused. Waive the check first."
            )
        values: dict[str, Any] = {"signing_secret": ""} | _previous("", timedelta())
        action = "integration.secret_cleared"
        save_changes(entity=integration, values=values, action=action, actor=actor, ip=ip)
    return integration


def end_previous_secret(
    *, integration: Integration, actor: User | None, ip: str | None = None
) -> Integration:
    """End a rotation now: only the newest secret is valid any more."""
    with transaction.atomic():
        _lock(integration)
        values = _previous("", timedelta())
        action = "integration.previous_secret_ended"
        save_changes(entity=integration, values=values, action=action, actor=actor, ip=ip)
    return integration


def require_signature(
    *, integration: Integration, actor: User | None, ip: str | None = None
) -> Integration:
    """Refuse deliveries without a valid signature; raises Conflict while there is no secret."""
    scheme = _scheme_of(integration)
    with transaction.atomic():
        _lock(integration)
        if not integration.signing_secret and scheme.maker != "nobody":
            raise Conflict(
                "Without a secret every delivery would be refused. Store the secret first."
            )
        _set_required(integration, True, "integration.signature_required", actor, ip)
    return integration


def waive_signature(
    *, integration: Integration, actor: User | None, ip: str | None = None
) -> Integration:
    """Take deliveries without a signature: whoever knows the key may send."""
    with transaction.atomic():
        _lock(integration)
        _set_required(integration, False, "integration.signature_waived", actor, ip)
    return integration


def previous_secret_ends_at(integration: Integration, now: datetime) -> datetime | None:
    """Until when the secret before the present one is valid; None when it is not."""
    until = integration.previous_secret_until
    return until if integration.previous_signing_secret and until and until > now else None


def _set_required(
    integration: Integration, required: bool, action: str, actor: User | None, ip: str | None
) -> None:
    values = {"signature_required": required}
    save_changes(entity=integration, values=values, action=action, actor=actor, ip=ip)


def _previous(secret: str, keep: timedelta) -> dict[str, Any]:
    if not secret or not keep:
        return {"previous_signing_secret": "", "previous_secret_until": None}
    return {
        "previous_signing_secret": secret,
        "previous_secret_until": timezone.now() + keep,
    }


def _scheme_of(integration: Integration) -> Scheme:
    scheme = SCHEMES.get(integration.kind)
    if scheme is None:
        kind = integration.get_kind_display()
        raise Conflict(f"{kind} has no signatures: its key is what proves a delivery.")
    return scheme


def _checked(scheme: Scheme, secret: str) -> str:
    if scheme.maker == "nobody":
        if not _TOPIC.fullmatch(secret):
            raise _invalid("secret", "Give the topic's ARN: arn:aws:sns:<region>:<account>:<name>.")
        return secret
    if not MIN_LENGTH <= len(secret) <= MAX_LENGTH:
        raise _invalid("secret", f"Give {MIN_LENGTH} to {MAX_LENGTH} characters.")
    if not secret.isprintable() or any(character.isspace() for character in secret):
        raise _invalid("secret", "A secret has no spaces and no line breaks. Copy it once more.")
    return secret


def _invalid(field: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{field}: {reason}", fields={field: [reason]})


def _lock(integration: Integration) -> None:
    """Read what is stored now and let two editors wait in line; raises NotFound."""
    fields = (
        "signature_required",
        "signing_secret",
        "previous_signing_secret",
        "previous_secret_until",
    )
    rows = Integration.objects.select_for_update(of=("self",))
    try:
        integration.refresh_from_db(fields=fields, from_queryset=rows)
    except Integration.DoesNotExist as error:
        raise NotFound(f"{integration} was deleted meanwhile.") from error
