"""E-mail: what a mail says; providers carry it."""

import hashlib
from collections.abc import Sequence
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from notifications.channels.base import Channel, DeliveryError, Message, Page

# 7 bit: readable in the sandbox, and no server has to announce 8BITMIME.
POLICY = SMTP.clone(cte_type="7bit")
MAX_ID_DOMAIN_LENGTH = 40
MAX_SUBJECT_LENGTH = 200
MAX_DESCRIPTION_LENGTH = 4000
OWN_HEADERS = (
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-OpsKnight-Incident",
    "Importance",
)


class EmailChannel(Channel):
    """Multipart text and HTML; mails of one incident form one thread."""

    name = "email"
    queue = "email"
    phrase = "by e-mail"
    parallel = 10

    def render(self, pages: Sequence[Page]) -> Message:
        """Build the whole mail. The same page always has the same Message-ID.

        `data`: `from`, the sender; `headers` holds those that a mail service cannot make up.
        """
        page = pages[0]
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
            headers={name: str(mail[name]) for name in OWN_HEADERS if name in mail},
            data={"from": settings.DEFAULT_FROM_EMAIL},
        )


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
        return Address(one_line(page.recipient.name), addr_spec=ascii_domain(page.address))
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


def ascii_domain(address: str) -> str:
    """The address with its domain as DNS knows it; raises ValueError for what SMTP cannot carry."""
    local, _, domain = address.rpartition("@")
    if not local.isascii():
        raise ValueError("letters before the @ must be plain ASCII")
    return f"{local}@{domain.encode('idna').decode()}"
