"""What people write back to a page, understood. Pure.

`1a` and `1 ack` name the small number that the message gave; `ack 198` and `ack #198` name an
incident; `a` alone means the last message. `aa`, or `all`, means everything that a message named.
Case, blanks, quotes and full stops do not matter.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    """What is asked for."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    ESCALATE = "escalate"
    STOP = "stop"
    START = "start"


class Names(StrEnum):
    """What the number of a reply is."""

    LAST = "last"  # there is none: the last message
    CODE = "code"  # the small number of a telephone
    INCIDENT = "incident"
    EITHER = "either"  # "ack 7": the incident, or the small number


@dataclass(frozen=True)
class Reply:
    """A reply that was understood."""

    verb: Verb
    names: Names = Names.LAST
    number: int = 0
    is_for_all: bool = False  # everything that the same message named


# Those of the telephone companies too: whoever writes them must not get messages any more.
STOP_WORDS = frozenset(
    {"stop", "stop all", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke"}
)
START_WORDS = frozenset({"start", "unstop", "yes"})
VERBS = {
    Verb.ACKNOWLEDGE: ("a", "aa"),
    Verb.RESOLVE: ("c", "cc", "close", "closed", "r", "rr", "resolve", "resolved"),
    Verb.ESCALATE: ("e", "esc", "escalate", "escalated"),
}
FOR_ALL = frozenset({"aa", "cc", "rr"})

_WORDS = {word: verb for verb, words in VERBS.items() for word in words}
_IGNORED = re.compile("['\"`\u00b4\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb.,:;!?()<>]")
_NUMBER = "(?P<hash>#? ?)(?P<number>[0-9]{1,9})"
_VERB = "(?P<verb>[a-z]+)(?P<all> ?all)?"
_FORMS = (
    re.compile(f"(?P<first>{_NUMBER}) ?{_VERB}"),
    re.compile(f"{_VERB} ?{_NUMBER}"),
    re.compile(_VERB),
)


def parse_reply(text: str) -> Reply | None:
    """What the text asks for; None when that cannot be said."""
    plain = _plain(text)
    if plain in STOP_WORDS:
        return Reply(Verb.STOP)
    if plain in START_WORDS:
        return Reply(Verb.START)
    for form in _FORMS:
        if (match := form.fullmatch(plain)) and (reply := _read(match.groupdict())) is not None:
            return reply
    return None


def _plain(text: str) -> str:
    """In lower case, without quotes and marks, words apart by one blank."""
    text = unicodedata.normalize("NFKC", text).casefold()
    visible = "".join(c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(_IGNORED.sub(" ", visible).split())


def _read(parts: dict[str, str | None]) -> Reply | None:
    written = parts["verb"] or ""
    word = written.removesuffix("all")
    verb = _WORDS.get(word) or (Verb.ACKNOWLEDGE if word.startswith("ack") else None)
    if verb is None:
        return None
    is_for_all = word in FOR_ALL or word != written or parts["all"] is not None
    if not parts.get("number"):
        return Reply(verb, is_for_all=is_for_all)
    number = int(parts["number"] or 0)
    if (parts["hash"] or "").startswith("#"):
        return Reply(verb, Names.INCIDENT, number, is_for_all)
    names = Names.CODE if parts.get("first") or is_for_all else Names.EITHER
    return Reply(verb, names, number, is_for_all)
