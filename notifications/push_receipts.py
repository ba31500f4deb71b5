"""The address by which a browser says that it has shown a push message.

It is signed, and a browser gets it inside the encrypted message: nobody else knows it.
"""

from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer

from opsknight.errors import NotFound

PATH = "/api/providers/push/{}/"  # see links.PATH

_signer = Signer(salt="notifications.push-receipts", sep=".")


def receipt_url(idempotency_key: UUID) -> str:
    """Where the browser posts to, with an empty body."""
    token = _signer.sign(idempotency_key.hex)
    return f"{settings.PUBLIC_URL}{PATH.format(token)}"


def read_receipt(token: str) -> str:
    """The message's number, as the push provider gave it; raises NotFound for a forged token."""
    try:
        return _signer.unsign(token)
    except BadSignature as error:
        raise NotFound("There is nothing at this address.") from error
