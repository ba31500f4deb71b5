"""`manage.py load_demo`: a believable company to look around in."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.demo import DemoExists, load_demo


class Command(BaseCommand):
    help = "Load a demonstration company: teams, people, services, schedules, incidents of 30 days."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load once; a second time says so."""
        try:
            summary = load_demo()
        except DemoExists as error:
            raise CommandError(error.message) from error
        self.stdout.write(self.style.SUCCESS(summary))
