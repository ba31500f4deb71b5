"""`manage.py create_api_key`: a key for a script, printed once."""

from argparse import ArgumentParser
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from opsknight.errors import InvalidInput
from opsknight.models import ApiKey, User
from opsknight.services.keys import create_api_key


class Command(BaseCommand):
    """Creates a key of the REST API and prints only the key."""

    help = "Create a key of the REST API that acts with a user's rights, and print it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True, help="whose rights the key has")
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument(
            "--scope", action="append", choices=ApiKey.Scope.values, help="may be repeated",
            default=[],
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the key on a line of its own."""
        user = User.objects.filter(email=options["email"].strip().lower()).first()
        if user is None:
            raise CommandError(f"There is no user {options['email']}.")
        if not user.is_active:
            raise CommandError(f"{user.email} is {user.get_status_display().lower()}.")
        scopes = options["scope"] or [ApiKey.Scope.EVENTS_WRITE.value]
        try:
            _, token = create_api_key(user=user, name=options["name"], scopes=scopes)
        except InvalidInput as error:
            raise CommandError(" ".join(chain(*error.fields.values()))) from error
        self.stdout.write(token)
