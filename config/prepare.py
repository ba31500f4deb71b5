"""Brings an installation up to date: tables, static files, the first administrator.

Run as `python -m config.prepare` before the other processes start; safe to run again, and by
several machines at once.
"""

import fcntl
import hashlib
import os
import sys

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import CommandError, call_command
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.migrations.executor import MigrationExecutor

MIGRATION_LOCK = 0x6F6B6E69  # any number that nobody else locks


def migrate() -> None:
    """Apply the missing migrations; of several machines starting together one does the work."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", database=DEFAULT_DB_ALIAS, interactive=False)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])
        connection.close()


def collect_static() -> None:
    """Collect the static files when one has changed; with DEBUG they are served in place."""
    if settings.DEBUG:
        return
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    with (settings.STATIC_ROOT / ".lock").open("w") as lock:  # several may share the folder
        fcntl.flock(lock, fcntl.LOCK_EX)
        _collect_when_changed()


def _collect_when_changed() -> None:
    fingerprint = _static_fingerprint()
    mark = settings.STATIC_ROOT / ".fingerprint"
    if mark.exists() and mark.read_text() == fingerprint:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    mark.write_text(fingerprint)


def _static_fingerprint() -> str:
    """Changes whenever a source file is added, removed or edited, or a dependency is upgraded."""
    digest = hashlib.sha256(settings.STORAGES["staticfiles"]["BACKEND"].encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            found = os.stat(storage.path(path))
            digest.update(f"{path}|{found.st_size}|{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def main() -> int:
    """Do all of it, in this order, because each step needs the one before; the exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    migrate()
    collect_static()
    try:
        call_command("ensure_admin")
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
