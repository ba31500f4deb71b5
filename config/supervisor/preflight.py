"""What can be known to be wrong before anything is started."""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis

from config import embedded
from config.listening import listen
from config.processes import StartError

# A process that died a moment ago may hold its port a moment longer.
PORT_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Options:
    """How this installation is to run."""

    home: Path
    bind: str
    port: int
    web_processes: int
    mail_bind: str
    mail_port: int  # 0: no mail is taken
    log_level: str
    database: dict[str, Any] | None  # Django's connection settings; None: embed PostgreSQL
    redis_url: str | None  # None: embed Redis

    @property
    def local_host(self) -> str:
        """The host by which this machine reaches itself."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not bound
        return everywhere.get(self.bind, self.bind)

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the pages."""
        host = f"[{self.local_host}]" if ":" in self.local_host else self.local_host
        return f"http://{host}:{self.port}"


def read_options() -> Options:
    """The options from the settings, which read the environment.

    Raises ImproperlyConfigured or StartError when a value is wrong.
    """
    try:
        # Not at the top: reading the settings is the first check, and it may fail.
        from config import settings
    except ValueError as error:
        raise StartError(f"A variable in the environment has a wrong value: {error}.") from error
    embedded_database = embedded.database_url(settings.HOME) == settings.DATABASE_URL
    embedded_redis = embedded.redis_url(settings.HOME) == settings.REDIS_URL
    if not 1 <= settings.PORT <= 65535:
        raise StartError("OPSKNIGHT_PORT must be a number from 1 to 65535.")
    if not 1 <= settings.WEB_PROCESSES <= 64:
        raise StartError("OPSKNIGHT_WEB_PROCESSES must be a number from 1 to 64.")
    if not 0 <= settings.MAIL_PORT <= 65535:
        raise StartError("OPSKNIGHT_MAIL_PORT must be a number from 1 to 65535, or empty.")
    return Options(
        home=settings.HOME,
        bind=settings.BIND,
        port=settings.PORT,
        web_processes=settings.WEB_PROCESSES,
        mail_bind=settings.MAIL_BIND,
        mail_port=settings.MAIL_PORT,
        log_level=settings.LOG_LEVEL,
        database=None if embedded_database else settings.DATABASES["default"],
        redis_url=None if embedded_redis else settings.REDIS_URL,
    )


def check_home(options: Options) -> None:
    """Raise StartError unless the data folder can be written to."""
    embedded.ensure_writable(options.home)


def take_address(options: Options) -> socket.socket:
    """The listening socket of all web processes; raises StartError when it cannot be had."""
    return _take(options.bind, options.port, "OPSKNIGHT_BIND and OPSKNIGHT_PORT")


def take_mail_address(options: Options) -> socket.socket | None:
    """The listening socket of the mail process, None without one; raises StartError."""
    if not options.mail_port:
        return None
    names = "OPSKNIGHT_MAIL_BIND and OPSKNIGHT_MAIL_PORT"
    return _take(options.mail_bind, options.mail_port, names)


def _take(bind: str, port: int, names: str) -> socket.socket:
    deadline = time.monotonic() + PORT_PATIENCE_SECONDS
    while True:
        try:
            return listen(bind, port)
        except OSError as error:
            if time.monotonic() > deadline:
                raise StartError(
                    f"Cannot listen on {bind} port {port} ({_reason(error)}): "
                    f"stop what runs there, or set {names}."
                ) from error
        time.sleep(0.1)


def _reason(error: OSError) -> str:
    """The system's words without Python's additions; a name that is not found has its own."""
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    return os.strerror(error.errno or 0)


def check_stores(options: Options) -> None:
    """Raise StartError unless the database and the Redis we were given answer."""
    if options.database is not None:
        _check_database(options.database)
    if options.redis_url is not None:
        _check_redis(options.redis_url)


def _check_database(database: dict[str, Any]) -> None:
    names = {
        "NAME": "dbname",
        "USER": "user",
        "PASSWORD": "password",
        "HOST": "host",
        "PORT": "port",
    }
    parameters = {name: database[key] for key, name in names.items() if database.get(key)}
    parameters |= {key: value for key, value in database["OPTIONS"].items() if key != "pool"}
    try:
        psycopg.connect(**{"connect_timeout": 5} | parameters).close()
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise StartError(
            f"The database of DATABASE_URL does not answer ({reason}): start it, or correct "
            "DATABASE_URL."
        ) from error


def _check_redis(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise StartError(
            f"The Redis of REDIS_URL does not answer ({error}): start it, or correct REDIS_URL."
        ) from error
