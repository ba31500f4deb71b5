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
from django.utils import timezone

from notifications.bundling import bundle_id
from notifications.channels.base import Channel, DeliveryError, Message, Page
from notifications.channels.email_words import bodies_of, one_line, subject_of

__all__ = ["EmailChannel", "ascii_domain", "one_line"]

# 7 bit: readable in the sandbox, and no server has to announce 8BITMIME.
POLICY = SMTP.clone(cte_type="7bit")
MAX_ID_DOMAIN_LENGTH = 40
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
    parallel = 20

    def render(self, pages: Sequence[Page]) -> Message:
        """Build the whole mail. The same pages always have the same Message-ID.

        `data`: `from`, the sender; `headers` holds those that a mail service cannot make up.
        """
        page, subject = pages[0], subject_of(pages)
        with timezone.override(_zone_of(page)):
            text, html = bodies_of(pages, subject=subject)
        mail = EmailMessage(policy=POLICY)
        mail["From"] = settings.DEFAULT_FROM_EMAIL
        mail["To"] = _recipient(page)
        mail["Subject"] = subject
        _write_headers(mail, pages)
        mail.set_content(text)
        mail.add_alternative(html, subtype="html")
        return Message(
            address=page.address,
            subject=subject,
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


def _recipient(page: Page) -> Address:
    try:
        return Address(one_line(page.recipient.name), addr_spec=ascii_domain(page.address))
    except (ValueError, IndexError, MessageError) as error:  # IndexError: email's own parser
        raise DeliveryError(
            f"The address cannot be used: {error}", permanent=True, breaks_address=True
        ) from error


def _write_headers(mail: EmailMessage, pages: Sequence[Page]) -> None:
    domain = _id_domain()
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{bundle_id(pages).hex}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"  # Exchange ignores Auto-Submitted
    incidents = [page.incident for page in pages if page.incident is not None]
    if not incidents:
        return
    if len(pages) == 1:
        thread = f"<incident-{incidents[0].id}@{domain}>"
        mail["In-Reply-To"] = thread
        mail["References"] = thread
        mail["X-OpsKnight-Incident"] = str(incidents[0].id)
    if any(incident.urgency == "high" for incident in incidents):
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
