"""Whether a delivery was sent by whom it says: checked over the raw body, in constant time."""

from typing import Final

from incidents.intake import sns
from incidents.intake.arrivals import Arrival
from incidents.intake.events import Unsupported
from incidents.intake.key_owner import KeyOwner
from incidents.intake.schemes import SCHEMES, Scheme
from incidents.intake.sns_client import SignatureRefused
from incidents.models import Delivery, Integration

__all__ = ["SignatureRefused", "check_signature", "prepare", "signed_headers"]

VALID: Final = "valid"
WAIVED: Final = "waived"  # it could be checked, but need not be
TRUSTED: Final = "trusted"  # a signed-in person sent it, not the vendor
NONE: Final = ""

CLOUDWATCH: Final = str(Integration.Kind.CLOUDWATCH)
_PAGE: Final = "on the integration's Security page"


async def check_signature(arrival: Arrival) -> str:
    """Say how the delivery was proven: "valid", "waived", "trusted" or "" (nothing to check).

    Raises SignatureRefused, and SnsUnavailable when Amazon's certificate cannot be fetched now.
    """
    owner = arrival.owner
    scheme = SCHEMES.get(owner.kind)
    if arrival.via == Delivery.Via.REPLAY:
        return TRUSTED  # what is stored has no secrets any more
    if scheme is None:
        return NONE
    if owner.kind == CLOUDWATCH:
        return await _check_sns(arrival)
    if owner.signature_required:
        _require(scheme, arrival)
        return VALID
    if owner.signing_secrets and _prove(scheme, arrival):
        return VALID
    return WAIVED if scheme.is_default else NONE


async def prepare(arrival: Arrival, signature: str) -> None:
    """What must happen before a delivery is read: confirm the subscription that SNS asks for.

    Raises Unsupported, which says what became of it.
    """
    if arrival.kind != CLOUDWATCH or signature == TRUSTED:
        return
    message = sns.read(arrival.body)
    if message is None or not message.asks_to_confirm:
        return
    if signature != VALID:
        raise Unsupported(
            "The subscription was not confirmed: the message is not proven to be Amazon's. "
            "Request the confirmation again in the SNS console."
        )
    await sns.confirm(message)
    raise Unsupported(f"The subscription to {message.topic[:300]} is confirmed.")


def signed_headers(owner: KeyOwner, body: bytes) -> dict[str, str]:
    """The headers with which the vendor would prove `body`; {} where we cannot do that."""
    scheme = SCHEMES.get(owner.kind)
    if scheme is None or scheme.sign is None or not owner.signing_secrets:
        return {}
    return scheme.sign(owner.signing_secrets[0], body)


def _require(scheme: Scheme, arrival: Arrival) -> None:
    if not arrival.owner.signing_secrets:
        raise SignatureRefused(
            f"No secret is stored to check the signature with. Store the one of {scheme.where}, "
            f"{_PAGE}, or waive the check there."
        )
    match _prove(scheme, arrival):
        case None:
            raise SignatureRefused(
                f"The signature is missing: no header {scheme.header}. Enter the secret ({_PAGE}) "
                f"in {scheme.where}; or waive the check there."
            )
        case False:
            raise SignatureRefused(
                f"The signature in {scheme.header} is wrong: the sender has another secret than "
                f"the one {_PAGE}, or the body was changed on its way."
            )


def _prove(scheme: Scheme, arrival: Arrival) -> bool | None:
    """Whether one proof holds; None when there is none to look at."""
    secrets = arrival.owner.signing_secrets
    found = [proof(arrival.headers, arrival.body, secrets) for proof in scheme.proofs]
    if True in found:
        return True
    return False if False in found else None


async def _check_sns(arrival: Arrival) -> str:
    owner = arrival.owner
    if arrival.via == Delivery.Via.SIMULATOR:
        return TRUSTED  # nobody but Amazon can sign like Amazon
    message = sns.read(arrival.body)
    if message is not None and message.asks_to_confirm:
        sns.check_subscribe_url(message)
    elif not owner.signature_required:
        return WAIVED
    try:
        await sns.verify(message, arrival.headers, topics=owner.signing_secrets)
    except SignatureRefused:
        if owner.signature_required:
            raise
        return WAIVED
    return VALID
