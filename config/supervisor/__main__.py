"""The command line: check everything that can be checked, then run until told to stop."""

import asyncio
import fcntl
import os
import signal
import sys
from contextlib import nullcontext
from typing import IO

from django.core.exceptions import ImproperlyConfigured

from config.processes import StartError, die_with_parent
from config.supervisor import preflight
from config.supervisor.stack import Stack


def take_lock(options: preflight.Options) -> IO[str]:
    """Make sure that this home has one supervisor; the kernel frees the lock when we die."""
    lock = (options.home / "supervisor.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        raise StartError(
            f"OpsKnight already runs on {options.home} (process {lock.read().strip()}): "
            "stop it, or set OPSKNIGHT_HOME to another folder."
        ) from error
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def main() -> int:
    """The exit code: 0 after a requested stop, 1 when OpsKnight cannot start."""
    if "--with-parent" in sys.argv:  # `make run`: a killed make must not leave us behind
        die_with_parent(signal.SIGKILL, parent=os.getppid())()
    try:
        options = preflight.read_options()
        preflight.check_home(options)
        with (
            take_lock(options),
            preflight.take_address(options) as listener,
            preflight.take_mail_address(options) or nullcontext() as mail_listener,
        ):
            preflight.check_stores(options)
            return asyncio.run(Stack(options, listener, mail_listener).run())
    except (StartError, ImproperlyConfigured) as error:
        print(f"OpsKnight cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
