"""Authenticated encryption of secrets at rest (Fernet; several keys during a rotation)."""

from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from opsknight.errors import OpsKnightError


class CannotDecrypt(OpsKnightError):
    """A stored secret was encrypted with a key that ENCRYPTION_KEY no longer lists."""

    code = "cannot_decrypt"
    status = 500


@cache
def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(text: str) -> str:
    """Encrypt with the newest key."""
    return _cipher().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Decrypt with whichever listed key fits; raises CannotDecrypt when none does."""
    try:
        return _cipher().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise CannotDecrypt(
            "A stored secret cannot be decrypted: put the key it was encrypted with back "
            "into ENCRYPTION_KEY."
        ) from error
