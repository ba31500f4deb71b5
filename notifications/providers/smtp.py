"""E-mail over SMTP."""

import re
import smtplib
from email.utils import parseaddr
from urllib.parse import quote
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

from notifications.channels.base import SEND_SECONDS, DeliveryError, Message
from notifications.channels.email import ascii_domain
from notifications.providers.api_errors import plain_reason
from notifications.providers.base import Field, Provider, ProviderConfig, Sent
from notifications.providers.smtp_connections import (
    Connection,
    ConnectionPool,
    MailServer,
    parse_email_url,
)

SECURITIES = (("starttls", "STARTTLS"), ("tls", "TLS from the first byte"), ("plain", "None"))


class SmtpProvider(Provider):
    """Any mail server. The mail is sent as it was rendered."""

    kind = "smtp"
    label = "Mail server (SMTP)"
    channels = ("email",)
    fields = (
        Field("host", "Host"),
        Field("port", "Port", default="587"),
        Field("security", "Security", default="starttls", choices=SECURITIES),
        Field("user", "User", is_required=False),
        Field("password", "Password", is_secret=True, is_required=False),
    )

    def __init__(self) -> None:
        self.connections = ConnectionPool()

    def send(
        self, message: Message, *, config: ProviderConfig, channel: str, idempotency_key: UUID
    ) -> Sent:
        """Hand the mail to the server. The key is its Message-ID already."""
        server = _server_of(config)
        try:
            with self.connections.connection(server, SEND_SECONDS) as connection:
                return _transmit(connection, message)
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(
                f"The mail server could not be used: {_plain(error)}", provider_is_down=True
            ) from error


def _server_of(config: ProviderConfig) -> MailServer:
    try:
        return parse_email_url(config["url"] or _url_of(config))
    except (ImproperlyConfigured, ValueError) as error:  # ValueError: urlsplit, of a wild host
        raise DeliveryError(
            "The mail server's host or port cannot be used.", provider_is_down=True
        ) from error


def _url_of(config: ProviderConfig) -> str:
    scheme = "smtps" if config["security"] == "tls" else "smtp"
    tls = "?tls=true" if config["security"] == "starttls" else ""
    login = f"{quote(config['user'], safe='')}:{quote(config['password'], safe='')}@"
    prefix = login if config["user"] else ""
    return f"{scheme}://{prefix}{config['host']}:{config['port']}{tls}"


def _transmit(connection: Connection, message: Message) -> Sent:
    """MAIL, RCPT, DATA: what a refusal means depends on which of them was refused."""
    sender = parseaddr(message.data["from"])[1]
    code, answer = connection.mail(sender)
    if code != 250:  # our own sender or login is wrong: not the fault of this address
        raise DeliveryError(
            f"The mail server refuses the sender: {_reply(code, answer)}", provider_is_down=True
        )
    code, answer = connection.rcpt(ascii_domain(message.address))
    if code not in (250, 251):
        raise DeliveryError(
            f"The mail server refuses the address: {_reply(code, answer)}",
            permanent=code >= 500,
            breaks_address=_says_address_is_dead(code, answer),
            provider_is_down=code == 421,  # the server closes; no address is to blame
        )
    replies = connection.replies
    try:
        code, answer = connection.data(message.raw)
    except smtplib.SMTPDataError as error:
        code, answer = error.smtp_code, _as_bytes(error.smtp_error)
    except (OSError, smtplib.SMTPServerDisconnected) as error:
        raise DeliveryError(
            f"The mail server fell silent: {_plain(error)}",
            # The first reply is to DATA alone: only after it the mail itself goes out.
            may_have_arrived=connection.replies > replies,
            provider_is_down=True,
        ) from error
    if code != 250:
        raise DeliveryError(
            f"The mail server refuses the mail: {_reply(code, answer)}",
            permanent=code >= 500,
            provider_is_down=code == 421,
        )
    return Sent(answer=_reply(code, answer)[:200])


def _says_address_is_dead(code: int, answer: bytes) -> bool:
    """A refused recipient whose reason is the address, not the server's policy (RFC 3463).

    A relay that refuses us with 5.7.x must not switch off everybody's addresses.
    """
    enhanced = re.match(rb"5\.(\d+)\.(\d+)", answer)
    if enhanced is None:
        return code in (550, 551, 553)
    return enhanced[1] == b"1" or (enhanced[1], enhanced[2]) == (b"2", b"1")


def _reply(code: int, answer: bytes) -> str:
    return f"{code} {plain_reason(answer.decode(errors='replace'))}"


def _as_bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _plain(error: Exception) -> str:
    """The error's text without its class."""
    if isinstance(error, smtplib.SMTPResponseException):
        return _reply(error.smtp_code, _as_bytes(error.smtp_error))
    return plain_reason(error) or type(error).__name__
