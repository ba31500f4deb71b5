"""The mail process: takes alerts by SMTP on OPSKNIGHT_MAIL_BIND and OPSKNIGHT_MAIL_PORT.

`python -m config.mail` listens by itself; `python -m config.mail --fd N` takes over the listening
socket N, which its parent could bind to a port that needs privileges.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()  # the apps; the mail door needs them

from config.listening import listen
from config.settings import MAIL_BIND, MAIL_PORT, SPOOL
from incidents.intake.committer import shared_committer
from incidents.intake.key_memory import KeyMemory
from incidents.intake.keyring import Keyring, keep_saving
from incidents.intake.mail_door import MailDoor

STOP_SECONDS = 4.0  # that mails on their way in get to arrive


async def serve(listener: socket.socket) -> None:
    """Take mails until SIGTERM or SIGINT; then finish those that are on their way in."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    keyring = Keyring(KeyMemory(SPOOL))
    keep_saving(keyring)
    door = MailDoor(keyring)
    server = await loop.create_server(door.connect, sock=listener)
    await stop.wait()
    server.close()
    ends_at = time.monotonic() + STOP_SECONDS
    while door.connections and time.monotonic() < ends_at:
        door.close_idle()
        await asyncio.sleep(0.05)


def main() -> int:
    """The exit code: 0 after a requested stop, 1 when there is no port to listen on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, help="listening socket to take over")
    fd = parser.parse_args().fd
    if fd is None and not MAIL_PORT:
        print("Set OPSKNIGHT_MAIL_PORT to the port on which to take mail.", file=sys.stderr)
        return 1
    shared_committer()  # what an earlier process left on disk gets in now
    listener = listen(MAIL_BIND, MAIL_PORT) if fd is None else socket.socket(fileno=fd)
    asyncio.run(serve(listener))
    return 0


if __name__ == "__main__":
    sys.exit(main())
