"""E-mail over SMTP."""

import hashlib
import re
import smtplib
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from notifications.channels.base import SEND_SECONDS, Channel, DeliveryError, Message, Page
from notifications.channels.smtp import Connection, ConnectionPool, parse_email_url

# 7 bit: readable in the sandbox, and no server has to announce 8BITMIME.
POLICY = SMTP.clone(cte_type="7bit")
MAX_ID_DOMAIN_LENGTH = 40
MAX_SUBJECT_LENGTH = 200
MAX_DESCRIPTION_LENGTH = 4000


class EmailChannel(Channel):
    """Multipart text and HTML; mails of one incident form one thread."""

    name = "email"
    queue = "email"
    phrase = "by e-mail"
    parallel = 10

    def __init__(self) -> None:
        self.connections = ConnectionPool()

    def is_configured(self) -> bool:
        """EMAIL_URL names a server."""
        return bool(settings.EMAIL_URL)

    def render(self, page: Page) -> Message:
        """Build the whole mail. The same page always has the same Message-ID."""
        with timezone.override(_zone_of(page)):
            text, html = _bodies(page)
        mail = EmailMessage(policy=POLICY)
        mail["From"] = settings.DEFAULT_FROM_EMAIL
        mail["To"] = _recipient(page)
        _write_headers(mail, page)
        mail.set_content(text)
        mail.add_alternative(html, subtype="html")
        return Message(
            address=page.address,
            subject=subject_of(page),
            text=text,
            html=html,
            raw=mail.as_bytes(),
        )

    def send(self, message: Message, idempotency_key: UUID) -> None:
        """Hand the mail to the server of EMAIL_URL. The key is its Message-ID already."""
        server = parse_email_url(settings.EMAIL_URL)
        try:
            with self.connections.connection(server, SEND_SECONDS) as connection:
                _transmit(connection, message)
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(f"The mail server could not be used: {_plain(error)}") from error


def _zone_of(page: Page) -> ZoneInfo:
    """The reader's zone; UTC for one that this machine does not know: the page must go out."""
    try:
        return ZoneInfo(page.recipient.time_zone)
    except (ValueError, ZoneInfoNotFoundError):
        return ZoneInfo("UTC")


def _bodies(page: Page) -> tuple[str, str]:
    """As plain text and as HTML, in the present time zone."""
    name = "page" if page.incident is not None else "notice"
    context = {
        "page": page,
        "incident": page.incident,
        "notice": page.notice,
        "description": page.incident.description[:MAX_DESCRIPTION_LENGTH] if page.incident else "",
    }
    return (
        render_to_string(f"notifications/email/{name}.txt", context),
        render_to_string(f"notifications/email/{name}.html", context),
    )


def subject_of(page: Page) -> str:
    """One line, the same for all mails of an incident, so that mail programs group them."""
    text = one_line(page.title)
    if page.incident is not None:
        text = f"#{page.incident.id} {page.incident.urgency.capitalize()}: {text}"
    return f"[OpsKnight] {text}"[:MAX_SUBJECT_LENGTH]


def one_line(text: str) -> str:
    """Text without line breaks and control characters, fit for a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _recipient(page: Page) -> Address:
    try:
        return Address(one_line(page.recipient.name), addr_spec=_ascii_domain(page.address))
    except (ValueError, IndexError, MessageError) as error:  # IndexError: email's own parser
        raise DeliveryError(
            f"The address cannot be used: {error}", permanent=True, breaks_address=True
        ) from error


def _write_headers(mail: EmailMessage, page: Page) -> None:
    domain = _id_domain()
    mail["Subject"] = subject_of(page)
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{page.idempotency_key.hex}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"  # Exchange ignores Auto-Submitted
    if page.incident is None:
        return
    thread = f"<incident-{page.incident.id}@{domain}>"
    mail["In-Reply-To"] = thread
    mail["References"] = thread
    mail["X-OpsKnight-Incident"] = str(page.incident.id)
    if page.incident.urgency == "high":
        mail["Importance"] = "high"


def _id_domain() -> str:
    """The right side of message ids. A long one would be folded into encoded words and break."""
    domain = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    if len(domain) <= MAX_ID_DOMAIN_LENGTH:
        return domain
    return hashlib.sha256(domain.encode()).hexdigest()[:24] + ".opsknight"


def _ascii_domain(address: str) -> str:
    """The address with its domain as DNS knows it; raises ValueError for what SMTP cannot carry."""
    local, _, domain = address.rpartition("@")
    if not local.isascii():
        raise ValueError("letters before the @ must be plain ASCII")
    return f"{local}@{domain.encode('idna').decode()}"


def _transmit(connection: Connection, message: Message) -> None:
    """MAIL, RCPT, DATA: what a refusal means depends on which of them was refused."""
    sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    code, answer = connection.mail(sender)
    if code != 250:  # our own sender or login is wrong: not the fault of this address
        raise DeliveryError(f"The mail server refuses the sender: {_reply(code, answer)}")
    code, answer = connection.rcpt(_ascii_domain(message.address))
    if code not in (250, 251):
        raise DeliveryError(
            f"The mail server refuses the address: {_reply(code, answer)}",
            permanent=code >= 500,
            breaks_address=_says_address_is_dead(code, answer),
        )
    try:
        code, answer = connection.data(message.raw)
    except smtplib.SMTPDataError as error:
        code, answer = error.smtp_code, _as_bytes(error.smtp_error)
    except (OSError, smtplib.SMTPServerDisconnected) as error:
        raise DeliveryError(
            f"The mail server fell silent: {_plain(error)}", may_have_arrived=True
        ) from error
    if code != 250:
        raise DeliveryError(
            f"The mail server refuses the mail: {_reply(code, answer)}", permanent=code >= 500
        )


def _says_address_is_dead(code: int, answer: bytes) -> bool:
    """A refused recipient whose reason is the address, not the server's policy (RFC 3463).

    A relay that refuses us with 5.7.x must not switch off everybody's addresses.
    """
    enhanced = re.match(rb"5\.(\d+)\.(\d+)", answer)
    if enhanced is None:
        return code in (550, 551, 553)
    return enhanced[1] == b"1" or (enhanced[1], enhanced[2]) == (b"2", b"1")


def _reply(code: int, answer: bytes) -> str:
    return f"{code} {one_line(answer.decode(errors='replace'))}"


def _as_bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _plain(error: Exception) -> str:
    """The error's text without its class."""
    if isinstance(error, smtplib.SMTPResponseException):
        return _reply(error.smtp_code, _as_bytes(error.smtp_error))
    return one_line(str(error)) or type(error).__name__
