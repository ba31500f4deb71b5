"""Whom an event of an imported calendar is about."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from escalations.calendars.reading import ReadEvent

Words: TypeAlias = tuple[str, ...]  # folded, in order

_EMAIL = re.compile(r"[^\s<>,;:()\[\]\"']+@[^\s<>,;:()\[\]\"']+")


@dataclass(frozen=True)
class Known:
    """Somebody with an account."""

    id: int
    name: str
    email: str


class People:
    """Finds people by what an event says."""

    def __init__(self, known: Iterable[Known]) -> None:
        self._by_email: dict[str, int] = {}
        self._by_name: defaultdict[Words, list[int]] = defaultdict(list)
        for person in known:
            self._by_email[person.email.lower()] = person.id
            if words := _words_of(person.name):
                self._by_name[words].append(person.id)
        # The longest first: “Bob Smith” is not “Bob”, even where both have an account.
        self._lengths = sorted({len(words) for words in self._by_name}, reverse=True)

    def in_event(self, event: ReadEvent) -> tuple[int, ...]:
        """Return who is on call: attendees, else addresses, else names in the summary.

        Nobody when none of them is known. A name that two people share is nobody's.
        """
        return (
            self._with_addresses(event.attendees)
            or self._with_addresses(a.strip(".") for a in _EMAIL.findall(event.summary))
            or self._with_names(event.summary)
        )

    def _with_addresses(self, addresses: Iterable[str]) -> tuple[int, ...]:
        found = (self._by_email.get(address.lower()) for address in addresses)
        return tuple(dict.fromkeys(user_id for user_id in found if user_id is not None))

    def _with_names(self, text: str) -> tuple[int, ...]:
        """One look-up per word and length, however many people there are."""
        words = _words_of(text)
        found: list[int] = []
        place = 0
        while place < len(words):
            named = next((n for n in self._lengths if words[place : place + n] in self._by_name), 0)
            ids = self._by_name[words[place : place + named]] if named else []
            if len(ids) == 1:
                found += ids
            place += named or 1
        return tuple(dict.fromkeys(found))


def _words_of(text: str) -> Words:
    """Whatever stands between them does not matter: “Bob/Eve”, “(Bob)”, “O'Neil”."""
    return tuple(re.findall(r"\w+", text.casefold()))
