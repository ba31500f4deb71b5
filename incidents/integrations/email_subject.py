"""What the subject of a mail says beside its words: trouble or all clear, how bad, about what.

Monitoring systems put a state before, and often after, the name of what they watch::

    [FIRING:1] DiskFull    Problem: Disk full             ** PROBLEM Host Alert: db-1 is DOWN **
    [RESOLVED] DiskFull    Resolved in 5m 3s: Disk full   ** RECOVERY Host Alert: db-1 is UP **

Only whole words count: in brackets, before a colon or a dash that stands alone, or in capitals; and
only at the beginning of the subject, after "Re:", "Fwd:" and tags such as [prod]. What is left
without them is the same for both, and is the dedup key.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from incidents.intake.events import MAX_SUMMARY, SEVERITY_WORDS, Action, Severity, one_line

ACTIONS: Final[dict[str, Action]] = {
    **dict.fromkeys(
        ["resolved", "recovery", "recovered", "ok", "up", "closed", "cleared", "fixed", "normal"],
        "resolve",
    ),
    **dict.fromkeys(["ack", "acknowledged", "acknowledgement"], "acknowledge"),
    **dict.fromkeys(
        ["problem", "alarm", "alert", "firing", "fired", "triggered", "down", "open", "opened"],
        "trigger",
    ),
}  # fmt: skip
SEVERITIES: Final[dict[str, Severity]] = {
    word: severity
    for word, severity in SEVERITY_WORDS.items()
    if word not in ACTIONS and word not in ("page", "debug", "none")
}
# In capitals also plain words of a sentence: "LOW disk space" is not of low severity.
_NOT_BARE: Final = frozenset({"high", "medium", "low", "open", "opened", "normal", "fixed"})
MAX_MARKS: Final = 10
MAX_TAGS: Final = 3

_REPLY = re.compile(r"(?:re|fwd?|aw|wg|sv|vs|antw|tr|rif|odp|rv)(?:\[\d+\])?\s*:\s*", re.IGNORECASE)
_DECORATION = re.compile(r"[^\w\[\](){}\"'<«„“/\\$€£+.-]+")
_BRACKETS = re.compile(r"[\[(]\s*([^\[\]()]{1,60}?)\s*[\])]\s*")
_BEFORE_COLON = re.compile(
    r"(\w{2,20})(?: in \d[\dwdhms ]{0,40})?\s*(?::(?!//)\s*|\s[-\u2013\u2014|]\s+)"
)
_IN_CAPITALS = re.compile(r"([A-Z]{2,20}|P[1-5]|SEV[0-4])(?=\s)\s+")
_AT_THE_END = re.compile(r"\s+is\s+(?:now\s+)?(\w{2,20})$", re.IGNORECASE)


@dataclass(slots=True)
class Subject:
    """A subject, understood."""

    text: str  # one line without "Re:" and "Fwd:", for people
    key: str = ""  # what it is about, in lower case; "" when it names nothing
    action: Action | None = None
    severity: Severity | None = None
    tags: list[str] = field(default_factory=list)  # in brackets, no states: [prod]

    def takes(self, word: str) -> bool:
        """Take a word for a state if it is one; the first of each sort counts."""
        word = word.lower()
        if word in ACTIONS:
            self.action = self.action or ACTIONS[word]
        elif word in SEVERITIES:
            self.severity = self.severity or SEVERITIES[word]
        else:
            return False
        return True


def read_subject(text: str) -> Subject:
    """Understand a subject; its encoded words are decoded already."""
    rest = one_line(text, MAX_SUMMARY)
    while match := _REPLY.match(rest):
        rest = rest[match.end() :]
    subject = Subject(rest)
    for _ in range(MAX_MARKS):
        shorter = _without_mark(subject, rest)
        if shorter is None:
            break
        rest = shorter
    rest = rest.rstrip(" *!.")
    end = _AT_THE_END.search(rest)
    if end is not None and (end[1].lower() in ACTIONS or end[1].lower() in SEVERITIES):
        rest = rest[: end.start()]
        subject.severity = subject.severity or SEVERITIES.get(end[1].lower())
    subject.key = " ".join([*subject.tags, *rest.split()]).casefold()
    return subject


def _without_mark(subject: Subject, rest: str) -> str | None:
    """The text after what stands at its beginning; None when that is no mark any more."""
    if match := _REPLY.match(rest) or _DECORATION.match(rest):
        return rest[match.end() :]
    if match := _BRACKETS.match(rest):
        # [FIRING:2] counts its alerts
        if not subject.takes(re.sub(r"\s*:\s*\d+$", "", match[1])):
            if len(subject.tags) >= MAX_TAGS:
                return None
            subject.tags.append(f"[{match[1]}]")
        return rest[match.end() :]
    if (match := _BEFORE_COLON.match(rest)) and subject.takes(match[1]):
        return rest[match.end() :]
    match = _IN_CAPITALS.match(rest)
    if match and match[1].lower() not in _NOT_BARE and subject.takes(match[1]):
        return rest[match.end() :]
    return "" if rest and subject.takes(rest) else None
