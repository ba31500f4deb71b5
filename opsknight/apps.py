from django.apps import AppConfig


class OpsKnightConfig(AppConfig):
    """The core: users, teams, keys, audit, errors, and the shell of the pages."""

    name = "opsknight"
    verbose_name = "People and access"
