"""`manage.py ensure_admin`: somebody can configure this installation, or gets the link to do so."""

from itertools import chain
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from opsknight.errors import InvalidInput
from opsknight.models import UserToken
from opsknight.services.accounts import (
    create_setup_link,
    ensure_administrator,
    has_administrator,
)
from opsknight.web.links import address_of


class Command(BaseCommand):
    """Runs at every start; says nothing once there is an administrator."""

    help = "Create the first administrator from the environment, or print a one-time set-up link."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line or nothing; raises CommandError for values that cannot be used."""
        if has_administrator():
            return
        email, password = settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD
        if bool(email) != bool(password):
            raise CommandError(
                "Set OPSKNIGHT_ADMIN_EMAIL and OPSKNIGHT_ADMIN_PASSWORD together, or neither."
            )
        if email:
            self._create(email, password)
        else:
            address = address_of(UserToken.Purpose.SETUP, create_setup_link())
            self.stdout.write(f"Create the first administrator (once, within 24 hours): {address}")

    def _create(self, email: str, password: str) -> None:
        try:
            user = ensure_administrator(email=email, password=password)
        except InvalidInput as error:
            names = {"password": "OPSKNIGHT_ADMIN_PASSWORD", "email": "OPSKNIGHT_ADMIN_EMAIL"}
            where = " and ".join(names.get(name, name) for name in error.fields)
            reasons = " ".join(chain(*error.fields.values()))
            raise CommandError(f"{where} cannot be used: {reasons}") from error
        if user is not None:
            self.stdout.write(f"Created the first administrator, {user.email}.")
