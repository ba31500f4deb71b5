"""E-mail: any mail opens an incident, or resolves the one that it belongs to.

The body is the raw message (RFC 5322); the envelope comes in the headers `x-envelope-to` and
`x-envelope-from`. What belongs together is told by the part of the address after "+"
(`<key>+disk-db-1@…`), else by the subject without its state (see email_subject). In-Reply-To and
References are not asked: the mail that opens an incident answers nothing, so they could not lead to
it. docs/how-to/e-mail.md says the same to people.

Not alerts: automatic replies and bounces (RFC 3834: `Auto-Submitted: auto-replied`, the empty
sender, multipart/report) and OpsKnight's own pages. "auto-generated" is what an alert should be.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parseaddr, parsedate_to_datetime
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Event,
    Unsupported,
    fit_dedup_key,
    lines,
    one_line,
)
from incidents.intake.masking import MASK
from incidents.integrations.email_parts import Mail, clean, read_mail
from incidents.integrations.email_subject import read_subject
from incidents.integrations.reading import digest, unclear

SHOWN_HEADERS: Final = ("from", "reply-to", "date", "message-id", "x-mailer")
_REPLY_HEADERS: Final = ("x-autoreply", "x-autorespond", "x-auto-reply")
MIN_KEY: Final = 16
_NO_SENDER: Final = ("<>", "")


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload for an empty mail, Unsupported for what is no alert."""
    key = key_of(headers.get("x-envelope-to", "")).encode("utf-8", "replace")
    if len(key) >= MIN_KEY and key in body:  # not for everybody who sees the incident
        body = body.replace(key, MASK.encode())
    mail = read_mail(body)
    _refuse_loops(mail, headers)
    text = lines(clean(mail.text))
    subject = read_subject(mail.headers.get("subject", ""))
    first_line = one_line(text.partition("\n")[0], MAX_SUMMARY)
    source = one_line(_sender(mail), MAX_SOURCE)
    if not (subject.text or text or source or mail.attachments):
        raise unclear("body", "The mail is empty: it has no subject, no sender and no text.")
    dedup_key = suffix_of(headers.get("x-envelope-to", ""))
    if not dedup_key:
        about = subject.key or first_line.casefold() or source.casefold() or digest(str(mail))
        dedup_key = "email-" + "-".join(about.split())
    return [
        Event(
            action=subject.action or "trigger",
            dedup_key=fit_dedup_key(clean(dedup_key)),
            summary=subject.text or first_line or f"E-mail from {source or 'an unknown sender'}",
            source=source,
            severity=subject.severity or "critical",
            description=text,
            details=_details(mail),
            occurred_at=_date(mail.headers.get("date", "")),
        )
    ]


def key_of(address: str) -> str:
    """What stands before the "+", or the "@", of an address: the integration's key."""
    return _local_part(address).partition("+")[0]


def suffix_of(address: str) -> str:
    """What stands after the first "+" of an address, before its "@"; "" when nothing does."""
    return one_line(_local_part(address).partition("+")[2], 1_000)


def _local_part(address: str) -> str:
    return address.strip().strip("<>").rpartition("@")[0].strip('"')


def _refuse_loops(mail: Mail, headers: Mapping[str, str]) -> None:
    """Raise Unsupported for what mail systems send by themselves, and for our own pages."""
    found = mail.headers
    if any(name.startswith("x-opsknight-") for name in found):
        raise Unsupported("OpsKnight's own mail is no alert; nothing was opened.")
    is_reply = found.get("auto-submitted", "").split(";")[0].strip().lower() == "auto-replied"
    is_reply = is_reply or found.get("precedence", "").strip().lower() == "auto_reply"
    if is_reply or any(name in found for name in _REPLY_HEADERS):
        raise Unsupported("An automatic reply is no alert; nothing was opened.")
    sender = headers.get("x-envelope-from", found.get("return-path", "unknown")).strip()
    if sender in _NO_SENDER or mail.content_type == "multipart/report":
        raise Unsupported("A report of a mail server is no alert; nothing was opened.")


def _sender(mail: Mail) -> str:
    value = mail.headers.get("from") or mail.headers.get("sender", "")
    try:
        name, address = parseaddr(value)
    except (ValueError, LookupError, TypeError, RecursionError):
        name, address = "", ""
    return address or name or value


def _date(value: str) -> datetime | None:
    """The sender's clock, UTC where it names no zone; None when it makes no sense."""
    try:
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC) if 1970 <= moment.year <= 9000 else None
    except (ValueError, TypeError, LookupError, OverflowError):
        return None


def _details(mail: Mail) -> dict[str, Any]:
    details: dict[str, Any] = {
        name.replace("-", "_"): one_line(mail.headers[name], 1_000)
        for name in SHOWN_HEADERS
        if mail.headers.get(name)
    }
    if mail.attachments:
        details["attachments"] = [
            {"name": a.name, "type": a.type, "bytes": a.size} for a in mail.attachments
        ]
    return details
