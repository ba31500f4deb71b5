"""The sentences that the engine writes on timelines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from escalations.services.recipients import Found, Person

LATE_FROM = timedelta(minutes=1)  # less is how a sweep works, not news
NAMES_SHOWN = 10


def heading(*, step: int, round: int, late: timedelta) -> str:
    """Which step it is: "Step 2", "Round 3, step 1", "Step 2, 3 h late"; both counted from 0."""
    text = f"Round {round + 1}, step {step + 1}" if round else f"Step {step + 1}"
    return f"{text}, {length(late)} late" if late >= LATE_FROM else text


def length(span: timedelta) -> str:
    """A length in its largest whole unit: "5 min", "3 h", "2 d"."""
    minutes = int(span.total_seconds()) // 60
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d"


def names_of(found: Iterable[Found], unreachable: set[int]) -> str:
    """Who was paged and why: "Bob, Carol (Primary on call)"; everybody once, some left out."""
    seen = set(unreachable)
    parts = []
    for one in found:
        fresh = [person for person in one.people if person.id not in seen]
        seen.update(person.id for person in fresh)
        if fresh:
            parts.append(_listed(fresh) + (f" ({one.note})" if one.note else ""))
        if one.place is not None:
            parts.append(one.place.name)
    return ", ".join(dict.fromkeys(parts))


def with_stand_ins(
    found: Sequence[Found], incident_id: int, stand_ins: Mapping[tuple[int, int], str]
) -> list[Found]:
    """The same with those who are away named after who is paged: "Carol in place of Bob"."""
    if not stand_ins:
        return list(found)
    return [
        replace(
            one,
            people=tuple(
                Person(person.id, f"{name} in place of {person.name}")
                if (name := stand_ins.get((incident_id, person.id)))
                else person
                for person in one.people
            ),
        )
        for one in found
    ]


def _listed(people: Sequence[Person]) -> str:
    names = [person.name for person in people[:NAMES_SHOWN]]
    more = len(people) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def problems_of(found: Iterable[Found], unreachable: set[int]) -> list[str]:
    """Why some or all were not paged, as clauses."""
    clauses = []
    for one in found:
        if one.problem:
            clauses.append(one.problem)
        clauses += [
            f"{person.name} has no immediate way to be paged"
            for person in one.people
            if person.id in unreachable
        ]
    return list(dict.fromkeys(clauses))


def times(number: int) -> str:
    """How often: "once", "3 times"."""
    return "once" if number == 1 else f"{number} times"


def for_urgency(urgency: str) -> str:
    """Why a step is not for an incident, as a clause."""
    whom = "high urgency only" if urgency == "high" else "other than high urgency"
    return f"the step is for incidents of {whom}"
