"""Reads the environment and the generated secrets; fails at start on a bad value."""

import base64
import ipaddress
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import parse_qs, urlsplit

import environ
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.exceptions import ImproperlyConfigured

RECONNECT_SECONDS = 5.0
# How soon an end notices that the other is gone without a word: a cut network, a dead machine. By
# default we would wait for minutes with whatever we hold, and the server keep the rows of a dead
# transaction locked for hours.
NOTICE_SILENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
    "options": "-c idle_in_transaction_session_timeout=60000",
}


class Env(environ.Env):  # type: ignore[misc]  # the library has no types
    """Takes an empty variable for an absent one, and says which variable is wrong."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        """The converted value of one variable; raises ImproperlyConfigured."""
        default = kwargs.get("default", self.NOTSET)
        if self.ENVIRON.get(var) == "" and default is not self.NOTSET:
            return default
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} has a wrong value: {error}.") from error


env = Env()
# A value that starts with "$" is a value, not a reference to another variable.
env.escape_proxy = True


class Secrets(TypedDict):
    """What an installation generates for itself at the first start."""

    SECRET_KEY: str  # signs sessions and tokens
    ENCRYPTION_KEY: str  # Fernet keys, newest first, separated by commas
    VAPID_PRIVATE_KEY: str  # base64url of the raw P-256 private key


def read_secrets(home: Path) -> Secrets:
    """The secrets from the environment, else from `<home>/secrets.json`, generated when missing.

    Raises ImproperlyConfigured when the file must be written and the folder does not allow it.
    """
    names = list(Secrets.__annotations__)
    given = {name: os.environ.get(name, "") for name in names}
    if all(given.values()):
        return _as_secrets(given)
    path = home / "secrets.json"
    stored = _load_or_create(path)
    return _as_secrets({name: given[name] or stored[name] for name in names})


def _as_secrets(values: dict[str, str]) -> Secrets:
    return Secrets(
        SECRET_KEY=values["SECRET_KEY"],
        ENCRYPTION_KEY=values["ENCRYPTION_KEY"],
        VAPID_PRIVATE_KEY=values["VAPID_PRIVATE_KEY"],
    )


def _load_or_create(path: Path) -> dict[str, str]:
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_once(path, _generate_secrets())
        stored: dict[str, str] = json.loads(path.read_text())
    except OSError as error:
        raise ImproperlyConfigured(
            f"Cannot read or write {path}: {error.strerror}. Make OPSKNIGHT_HOME writable, "
            "or set SECRET_KEY, ENCRYPTION_KEY and VAPID_PRIVATE_KEY."
        ) from error
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{path} is not valid JSON: restore it from a backup."
        ) from error
    missing = sorted(set(Secrets.__annotations__) - stored.keys())
    if missing:
        raise ImproperlyConfigured(f"{path} lacks {', '.join(missing)}: restore it from a backup.")
    return stored


def _write_once(path: Path, values: Secrets) -> None:
    """Write the file completely or not at all; the first of several processes wins."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".secrets-")
    with os.fdopen(handle, "w") as file:
        json.dump(values, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(name)


def _generate_secrets() -> Secrets:
    key = ec.generate_private_key(ec.SECP256R1())
    raw = key.private_numbers().private_value.to_bytes(32, "big")
    return Secrets(
        SECRET_KEY=secrets.token_urlsafe(50),
        ENCRYPTION_KEY=Fernet.generate_key().decode(),
        VAPID_PRIVATE_KEY=base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
    )


def vapid_public_key(private_key: str) -> str:
    """The public half, base64url of the uncompressed point, as browsers want it."""
    padded = private_key + "=" * (-len(private_key) % 4)
    number = int.from_bytes(base64.urlsafe_b64decode(padded), "big")
    public = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    point = public.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def database_from_url(url: str) -> dict[str, Any]:
    """Django's database settings from a URL.

    `connection_limit` and `pool_timeout` (seconds) in the query size the pool of each process.
    """
    config: dict[str, Any] = environ.Env.db_url_config(url)
    if config.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql://.")
    query = parse_qs(urlsplit(url).query)
    options: dict[str, Any] = NOTICE_SILENCE | {key: values[-1] for key, values in query.items()}
    try:
        limit = int(options.pop("connection_limit", 0)) or env.int("DATABASE_POOL_SIZE", default=40)
        timeout = float(options.pop("pool_timeout", 10))
    except ValueError as error:
        raise ImproperlyConfigured(
            "connection_limit and pool_timeout in DATABASE_URL must be numbers."
        ) from error
    options["pool"] = {
        "min_size": 1,
        "max_size": limit,
        "timeout": timeout,
        # Its pauses between tries double up to this; after it, the next request tries at once. By
        # default a database that was away for minutes is missed for as many minutes more.
        "reconnect_timeout": RECONNECT_SECONDS,
    }
    config["ENGINE"] = "config.postgres"
    config["OPTIONS"] = options
    config["CONN_HEALTH_CHECKS"] = True
    return config


def local_url(bind: str, port: int) -> str:
    """Where a browser on this machine finds the pages, also when bound to every address."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not bound
    host = everywhere.get(bind, bind)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def mail_domain(url: str) -> str:
    """The host of a URL if it is a name: an IP address is no domain of mail."""
    host = urlsplit(url).hostname or "localhost"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return "localhost"


def broker_url(redis_url: str) -> str:
    """The Redis address as Celery spells it (`unix://` becomes `redis+socket://`)."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[-1]
    return f"redis+socket://{parts.path}?virtual_host={database}"


def sns_endpoint(url: str) -> str:
    """The origin that stands in for Amazon SNS; plain HTTP on this machine only."""
    if not url:
        return ""
    parts = urlsplit(url)
    is_local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    is_origin = url == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
    if (
        parts.hostname
        and is_origin
        and (parts.scheme == "https" or (parts.scheme == "http" and is_local))
    ):
        return url
    raise ImproperlyConfigured(
        "SNS_ENDPOINT must be https:// with a host and nothing after it "
        "(http:// for localhost only)."
    )


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """The value of a variable that has few; raises ImproperlyConfigured for another."""
    if value in allowed:
        return value
    raise ImproperlyConfigured(f"{name} must be one of: {', '.join(allowed)}.")


# Kind of provider → field → variable. The address of an API holds for accounts in the admin, too.
PROVIDER_VARIABLES = {
    "sendgrid": {
        "api_key": "SENDGRID_API_KEY",
        "webhook_public_key": "SENDGRID_WEBHOOK_PUBLIC_KEY",
        "api_url": "SENDGRID_API_URL",
    },
    "resend": {
        "api_key": "RESEND_API_KEY",
        "webhook_secret": "RESEND_WEBHOOK_SECRET",
        "api_url": "RESEND_API_URL",
    },
    "ses": {
        "access_key_id": "SES_ACCESS_KEY_ID",
        "secret_access_key": "SES_SECRET_ACCESS_KEY",
        "region": "SES_REGION",
        "configuration_set": "SES_CONFIGURATION_SET",
        "topic_arn": "SES_TOPIC_ARN",
        "api_url": "SES_API_URL",
    },
    "twilio": {
        "account_sid": "TWILIO_ACCOUNT_SID",
        "auth_token": "TWILIO_AUTH_TOKEN",
        "from": "TWILIO_FROM",
        "messaging_service_sid": "TWILIO_MESSAGING_SERVICE_SID",
        "senders": "TWILIO_SENDERS",
        "carrier_senders": "TWILIO_CARRIER_SENDERS",
        "voice_from": "TWILIO_VOICE_FROM",
        "whatsapp_from": "TWILIO_WHATSAPP_FROM",
        "whatsapp_content_sid": "TWILIO_WHATSAPP_CONTENT_SID",
        "whatsapp_code_content_sid": "TWILIO_WHATSAPP_CODE_CONTENT_SID",
        "language": "TWILIO_LANGUAGE",
        "lookup_url": "TWILIO_LOOKUP_URL",
        "api_url": "TWILIO_API_URL",
    },
    "sns": {
        "access_key_id": "SNS_ACCESS_KEY_ID",
        "secret_access_key": "SNS_SECRET_ACCESS_KEY",
        "region": "SNS_REGION",
        "sender_id": "SNS_SENDER_ID",
        "origination_number": "SNS_ORIGINATION_NUMBER",
        "api_url": "SNS_API_URL",
    },
    "slack": {
        "bot_token": "SLACK_BOT_TOKEN",
        "signing_secret": "SLACK_SIGNING_SECRET",
        "api_url": "SLACK_API_URL",
    },
    "telegram": {
        "bot_token": "TELEGRAM_BOT_TOKEN",
        "bot_name": "TELEGRAM_BOT_NAME",
        "webhook_secret": "TELEGRAM_WEBHOOK_SECRET",
        "api_url": "TELEGRAM_API_URL",
    },
}


def provider_settings(env: environ.Env) -> dict[str, dict[str, str]]:
    """Kind of provider → field → value, of those variables that are set.

    Raises ImproperlyConfigured for the address of an API that is no web address.
    """
    found = {
        kind: {
            field: value for field, name in names.items() if (value := env.str(name, default=""))
        }
        for kind, names in PROVIDER_VARIABLES.items()
    }
    for kind, values in found.items():
        address = values.get("api_url", "")
        if address and urlsplit(address).scheme not in ("http", "https"):
            name = PROVIDER_VARIABLES[kind]["api_url"]
            raise ImproperlyConfigured(f"{name} must begin with https:// (or http://).")
    return found


# Messages a minute to one address.
DESTINATION_LIMITS = {
    "email": 100,
    "sms": 50,
    "voice": 50,
    "whatsapp": 50,
    "push": 200,
    "slack": 100,
    "telegram": 100,
    "teams": 100,
    "google_chat": 100,
    "discord": 100,
    "webhook": 100,
}


def send_limits(name: str, text: str, usual: dict[str, int]) -> dict[str, int]:
    """Messages a minute by channel, the given ones (`email=300,sms=0`) instead of the usual.

    Raises ImproperlyConfigured for channels that do not exist and for what is no number.
    """
    limits = dict(usual)
    for part in filter(None, (part.strip() for part in text.split(","))):
        channel, _, number = part.partition("=")
        if channel.strip() not in DESTINATION_LIMITS or not number.strip().isdecimal():
            raise ImproperlyConfigured(
                f"{name}: write {part!r} as <channel>=<messages a minute>; "
                f"channels are {', '.join(DESTINATION_LIMITS)}."
            )
        limits[channel.strip()] = int(number)
    return limits


def phone_pace(text: str) -> list[tuple[int, int]]:
    """Messages and minutes of each rate, `3/15,18/60`: three at once, then evenly up to 18 an hour.

    Raises ImproperlyConfigured unless both numbers of a rate are larger than those before.
    """
    rates: list[tuple[int, int]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        count, _, minutes = part.partition("/")
        is_rate = count.isdecimal() and minutes.isdecimal() and int(minutes) > 0
        last = rates[-1] if rates else (0, 0)
        if not is_rate or int(count) <= last[0] or int(minutes) <= last[1]:
            raise ImproperlyConfigured(
                "OPSKNIGHT_PHONE_PACE: write <messages>/<minutes>, slower ones last: 3/15,18/60."
            )
        rates.append((int(count), int(minutes)))
    return rates
