"""Runs a management command, with PostgreSQL and Redis for its duration when nobody runs them.

`python -m config.command load_demo` works beside a running OpsKnight and without one.
"""

import contextlib
import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from config.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServer
from config.processes import StartError
from config.supervisor.preflight import check_home, check_stores, read_options


def idle_servers() -> list[EmbeddedServer]:
    """The embedded servers that this installation uses and that are not running.

    Raises StartError or ImproperlyConfigured when a command could not work.
    """
    options = read_options()
    check_home(options)
    check_stores(options)
    servers: list[EmbeddedServer] = []
    if options.database is None:
        servers.append(EmbeddedPostgres(options.home))
    if options.redis_url is None:
        servers.append(EmbeddedRedis(options.home))
    return [server for server in servers if not server.is_ready()]


def main() -> int:
    """The exit code: 1 when the servers cannot start; a failing command raises SystemExit."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    with contextlib.ExitStack() as running:
        try:
            for server in idle_servers():
                server.start()
                running.callback(server.stop)
        except (StartError, ImproperlyConfigured) as error:
            print(f"OpsKnight cannot run this: {error}", file=sys.stderr)
            return 1
        execute_from_command_line(["manage.py", *sys.argv[1:]])
    return 0


if __name__ == "__main__":
    sys.exit(main())
