from django.apps import AppConfig


class WiringConfig(AppConfig):
    """Commands that need every app at once."""

    name = "config"
    label = "wiring"
