"""A database with all tables, made once and copied: for tests and benchmarks, which start many.

To create a cluster and to apply all migrations takes six seconds of a processor; to copy the
result, a twentieth of one.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from config.embedded import EmbeddedPostgres

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".pytest_cache" / "postgres"
# What decides how the tables look.
SOURCES = ("*/migrations/*.py", "requirements.txt", "config/embedded.py", "config/settings.py")


def lay_out_database(home: Path) -> None:
    """Give a new home its PostgreSQL data folder; EmbeddedPostgres takes it from there."""
    folder = CACHE / _fingerprint()
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of all who come at the same time one makes it
        if not folder.exists():
            _prepare(folder)
        shutil.copytree(folder, home / EmbeddedPostgres.name)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in ROOT.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _prepare(folder: Path) -> None:
    for old in CACHE.iterdir():
        if old.is_dir():  # of other migrations
            shutil.rmtree(old, ignore_errors=True)
    home = Path(tempfile.mkdtemp(prefix=f"opsknight-test-{os.getpid()}-"))
    home.chmod(0o711)  # as root the servers run as another user, who must pass through
    postgres = EmbeddedPostgres(home, durable=False)
    try:
        postgres.start()
        env = os.environ | {"OPSKNIGHT_HOME": str(home), "DATABASE_URL": postgres.url}
        command = [sys.executable, "manage.py", "migrate", "-v0"]
        subprocess.run(command, cwd=ROOT, env=env, check=True)
        postgres.stop()
        unfinished = CACHE / "unfinished"
        shutil.copytree(postgres.folder, unfinished)
        unfinished.rename(folder)
    finally:
        postgres.stop()
        shutil.rmtree(home, ignore_errors=True)
