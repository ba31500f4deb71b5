"""Rules for passwords beyond Django's."""

import string

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError


class MixedCharactersValidator:
    """Demands a lower-case and an upper-case letter, a digit and another character."""

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
        if missing:
            raise ValidationError(f"Add {', '.join(missing)}.", code="password_too_simple")

    def get_help_text(self) -> str:
        return "Mix lower- and upper-case letters, digits and other characters."
