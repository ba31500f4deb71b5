"""Loads everything once, then forks the processes of the stack from itself (see ADR 13).

`python -m config.supervisor.forkserver --fd N`: requests come in through the socket N. What is
forked becomes a child of the supervisor, not ours: it neither notices nor minds when we end.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from dataclasses import dataclass
from importlib.util import find_spec

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django
from django.apps import apps
from django.conf import settings

from config.env import database_from_url
from config.processes import die_with_parent, set_command_line

MAX_REQUEST_BYTES = 64 * 1024
MAX_FDS = 3
# What the processes import beside our applications and the middleware. Not `config.asgi`: it reads
# the static files, which are collected later.
PRELOADED = (
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.log",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.thread",
    "celery.contrib.django.task",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.strategy",
    "channels.routing",
    "config.body_limit",
    "config.health",
    "config.listening",
    "config.static",
    "config.urls",
    "django.contrib.sessions.backends.db",
    "django.core.management.commands.migrate",
    "incidents.intake.door",
    "incidents.intake.mail_door",
    "kombu.transport.redis",
    "psycopg_pool",
    "uvicorn.lifespan.off",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "whitenoise.middleware",
)


@dataclass(frozen=True)
class Request:
    """A module to run as `python -m` would, with its output and the supervisor's word to begin."""

    module: str
    arguments: list[str]
    env: dict[str, str]
    control: socket.socket
    output: int
    listener: int | None


def preload() -> None:
    """Import what the processes need; no thread, no connection to anybody."""
    gc.disable()  # what is imported stays
    django.setup()
    tasks = [f"{app.name}.tasks" for app in apps.get_app_configs()]
    middleware = {name.rpartition(".")[0] for name in settings.MIDDLEWARE}
    for module in (*PRELOADED, *filter(find_spec, tasks), *sorted(middleware)):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # no collector writes into the pages that we share with them


def receive(requests: socket.socket) -> Request | None:
    """The next request; None when the supervisor is gone."""
    message, fds, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, MAX_FDS)
    if not message:
        return None
    control, output, *listeners = fds
    return Request(
        **json.loads(message),
        control=socket.socket(fileno=control),
        output=output,
        listener=listeners[0] if listeners else None,
    )


def serve(requests: socket.socket) -> Request | None:
    """Fork for each request until the supervisor is gone (None); in a fork: its request."""
    while request := receive(requests):
        try:
            if fork(request):
                requests.close()
                return request
        except OSError as error:  # no memory or no handles now; or nobody waits for it any more
            print(f"cannot fork {request.module}: {error}", flush=True)
        request.control.close()
        for fd in (request.output, request.listener):
            if fd is not None:
                os.close(fd)
    return None


def fork(request: Request) -> bool:
    """Whether we are the new process. Its number is told to the supervisor, who is its parent.

    We fork twice: what lies in between ends at once, and the kernel gives an orphan to the nearest
    ancestor that takes them, which the supervisor does. Exits and signals are then as with any
    child.
    """
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as answer:
        between = os.fork()
        if between == 0:
            _fork_again(writer)
            os.close(writer)
            return True
        os.close(writer)
        number = answer.read(32)
        os.waitpid(between, 0)  # from now on it is the supervisor's
    if not number:
        raise OSError("the second fork failed")
    request.control.send(number)
    return False


def _fork_again(writer: int) -> None:
    """Returns in the second fork only."""
    number = -1
    try:
        number = os.fork()
        if number:
            os.write(writer, str(number).encode())
    finally:
        if number:
            os._exit(0)


def become(request: Request, supervisor: int) -> None:
    """Be the process that was asked for, once the supervisor says that it knows us."""
    os.setsid()  # Ctrl-C is the supervisor's alone
    if not request.control.recv(1):
        os._exit(1)
    request.control.close()
    die_with_parent(signal.SIGKILL, parent=supervisor)()
    for stream in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(request.output, stream)
    os.close(request.output)
    os.environ.update(request.env)
    # The one setting that differs between processes: DATABASE_POOL_SIZE.
    settings.DATABASES["default"].update(database_from_url(settings.DATABASE_URL))
    gc.enable()
    arguments = list(request.arguments)
    if request.listener is not None:
        arguments += ["--fd", str(request.listener)]
    set_command_line([sys.executable, "-m", request.module, *arguments])
    sys.argv = [request.module, *arguments]
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Run until the supervisor is gone."""
    supervisor = os.getppid()
    requests = socket.socket(fileno=int(sys.argv[2]))
    set_command_line([sys.executable, "-m", "config.supervisor.forkserver"])
    preload()
    if request := serve(requests):
        become(request, supervisor)


if __name__ == "__main__":
    main()
