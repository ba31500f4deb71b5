#!/usr/bin/env python
"""Django's command line for OpsKnight."""

import os
import sys


def main() -> None:
    """Run one management command with OpsKnight's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line  # after the settings are named

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
