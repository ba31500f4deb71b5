"""The shape into which every vendor's message is turned, and the texts allowed in it."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from opsknight.errors import OpsKnightError

Action = Literal["trigger", "acknowledge", "resolve"]
Severity = Literal["critical", "error", "warning", "info"]

MAX_SUMMARY = 500
MAX_SOURCE = 200
MAX_DESCRIPTION = 15_000  # Opsgenie's, the most generous
MAX_DEDUP_KEY = 512

# Exact words; a substring would make "unresolved" a resolve.
SEVERITY_WORDS: dict[str, Severity] = {
    **dict.fromkeys(
        ["critical", "crit", "fatal", "emergency", "alert", "page", "high", "down", "disaster",
         "p1", "sev0", "sev1"],
        "critical",
    ),
    **dict.fromkeys(["error", "err", "major", "average", "p2", "sev2"], "error"),
    **dict.fromkeys(
        ["warning", "warn", "minor", "degraded", "medium", "p3", "sev3"], "warning"
    ),
    **dict.fromkeys(
        ["info", "informational", "information", "notice", "debug", "low", "ok", "normal", "none",
         "p4", "p5", "sev4"],
        "info",
    ),
}  # fmt: skip
ACTION_WORDS: dict[str, Action] = {
    **dict.fromkeys(["ack", "acknowledge", "acknowledged"], "acknowledge"),
    **dict.fromkeys(
        ["resolve", "resolved", "close", "closed", "recover", "recovered", "recovery", "fixed",
         "ok", "up", "normal"],
        "resolve",
    ),
    **dict.fromkeys(
        ["trigger", "triggered", "firing", "fired", "alert", "alerting", "open", "opened",
         "problem", "down", "critical", "error"],
        "trigger",
    ),
}  # fmt: skip


class InvalidPayload(OpsKnightError):
    """The body cannot be understood; `fields` names what is wrong with it."""

    code = "invalid_payload"
    status = 400


class Unsupported(OpsKnightError):
    """A genuine message of the vendor that is no alert; answered 200, counted, not kept."""

    code = "ignored"
    status = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One alert, understood."""

    action: Action
    dedup_key: str  # at most 512 characters, never empty
    summary: str = ""  # one line, at most 500 characters
    source: str = ""  # what is broken: a host, a URL, a job
    severity: Severity = "critical"
    priority: str = ""  # P1 to P5, where the vendor has such a word
    description: str = ""  # longer text for people, at most 15,000 characters
    details: dict[str, Any] = field(default_factory=dict)  # everything else the vendor said
    links: list[dict[str, str]] = field(default_factory=list)  # [{"href", "text"}]
    occurred_at: datetime | None = None  # the vendor's clock; aware


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEvent:
    """Something was changed on a service, a deploy for example; understood. It pages nobody."""

    summary: str  # one line, at most 500 characters
    source: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    links: list[dict[str, str]] = field(default_factory=list)  # [{"href", "text"}]
    occurred_at: datetime | None = None  # the sender's clock; aware


_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), " ")
_CONTROL_KEEP_LINES = {c: v for c, v in _CONTROL.items() if c not in (0x09, 0x0A)}
_SPACES = re.compile(r"\s+")


def one_line(text: object, limit: int) -> str:
    """A clean single line: control characters become spaces, NFC, shortened with "…"."""
    if not isinstance(text, str):
        text = "" if text is None else str(text)
    if len(text) <= limit and text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()  # most texts; nothing below would change them
    # Cut before normalising: a title of megabytes must not cost megabytes of work.
    line = _SPACES.sub(" ", text[: limit * 4].translate(_CONTROL)).strip()
    line = unicodedata.normalize("NFC", line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def lines(text: object, limit: int = MAX_DESCRIPTION) -> str:
    """Clean text that may have several lines."""
    if not isinstance(text, str):
        return ""
    cleaned = text[: limit * 2].translate(_CONTROL_KEEP_LINES).strip()
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


def fit_dedup_key(key: object) -> str:
    """A key of at most 512 characters; longer ones keep 479 and end in a hash of the whole."""
    text = str(key).replace("\x00", "").strip()
    if len(text) <= MAX_DEDUP_KEY:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
    return f"{text[:479]}_{digest}"


def slug(text: str) -> str:
    """A key made of words: lower case, hyphens, at most 100 characters."""
    return re.sub(r"\s+", "-", text.strip().lower())[:100]


def severity_of(word: object, fallback: Severity) -> Severity:
    """The severity that a word names, whatever its case; exact words only, none: the fallback."""
    if word is None:
        return fallback
    return SEVERITY_WORDS.get(str(word).strip().lower(), fallback)


def action_of(word: object, fallback: Action) -> Action:
    """The action that a word names, whatever its case; exact words only, none: the fallback."""
    if word is None:
        return fallback
    return ACTION_WORDS.get(str(word).strip().lower(), fallback)


def parse_time(value: object) -> datetime | None:
    """An ISO 8601 instant with a zone, else None: a strange clock must not lose an alert."""
    if not isinstance(value, str) or not 10 <= len(value) <= 40:
        return None
    # Go writes nanoseconds, which Python's parser of 3.11 does not take.
    text = re.sub(r"(\.\d{6})\d+", r"\1", value.strip())
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or not 1970 <= moment.year <= 9000:
            return None
        return moment.astimezone(UTC)  # PostgreSQL refuses zones beyond 16 hours
    except ValueError:
        return None
