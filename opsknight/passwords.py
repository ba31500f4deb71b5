"""Rules for passwords beyond Django's."""

import string

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError

# A passphrase of this length is strong without mixing; asking for more makes people write it down.
PASSPHRASE_LENGTH = 16


class MixedCharactersValidator:
    """Demands a lower-case and an upper-case letter, a digit and another character.

    A passphrase of 16 characters or more may be of any characters.
    """

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Raise ValidationError that names everything that is missing."""
        wanted = {
            "a lower-case letter": any(c.islower() for c in password),
            "an upper-case letter": any(c.isupper() for c in password),
            "a digit": any(c.isdigit() for c in password),
            "a special character": any(
                c in string.punctuation or not c.isalnum() for c in password
            ),
        }
        missing = [name for name, present in wanted.items() if not present]
        if len(password) > 128:
            raise ValidationError("Use at most 128 characters.", code="password_too_long")
        if missing and len(password) < PASSPHRASE_LENGTH:
            remedy = f"Add {', '.join(missing)}, or make it {PASSPHRASE_LENGTH} characters long."
            raise ValidationError(remedy, code="password_too_simple")

    def get_help_text(self) -> str:
        return (
            "Mix lower- and upper-case letters, digits and other characters, "
            f"or use a passphrase of at least {PASSPHRASE_LENGTH} characters."
        )
