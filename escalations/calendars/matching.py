"""Whom an event of an imported calendar is about."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from escalations.calendars.reading import ReadEvent

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
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        for person in known:
            self._by_email[person.email.lower()] = person.id
            self._by_name[" ".join(person.name.casefold().split())].append(person.id)
        # The longest first: “Bob Smith” is not “Bob”, even where both have an account.
        names = sorted(filter(None, self._by_name), key=len, reverse=True)
        either = "|".join(re.escape(name) for name in names)
        self._names = re.compile(rf"(?<!\w)(?:{either})(?!\w)") if names else None

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
        if self._names is None:
            return ()
        found = (self._by_name[name] for name in self._names.findall(text.casefold()))
        return tuple(dict.fromkeys(ids[0] for ids in found if len(ids) == 1))
