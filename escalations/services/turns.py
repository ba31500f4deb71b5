"""Whose turn it is in steps that page their people in turn."""

from collections import Counter
from collections.abc import Sequence

from django.db import connection

from escalations.services.recipients import Found, Person
from escalations.services.runs import DueRun

# Locks in the order of the ids, so that two engines cannot deadlock.
_DRAW = """
WITH wanted AS (
  SELECT step.id, drawn.number
  FROM unnest(%s::bigint[], %s::bigint[]) AS drawn (id, number)
  JOIN escalations_policystep step ON step.id = drawn.id
  ORDER BY step.id FOR NO KEY UPDATE OF step
)
UPDATE escalations_policystep AS step SET robin_count = step.robin_count + wanted.number
FROM wanted WHERE step.id = wanted.id
RETURNING step.id, step.robin_count - wanted.number
"""


def draw_turns(due: Sequence[DueRun]) -> None:
    """Note in each run whose turn it is at its step; 1 query, none where nobody takes turns.

    Every incident gets the next number of the step, however many engines draw at once; when the
    step is repeated for the same incident, the number after it. A step that was deleted gives
    none, so the incident's own id stands in.
    """
    starting = []
    for one in due:
        key = str(one.run.next_step)
        if key in one.run.turns:
            one.run.turns[key] += 1
        else:
            starting.append(one)
    first = _draw(Counter(_robin_of(one) for one in starting)) if starting else {}
    for one in starting:
        step_id = _robin_of(one)
        number = first.get(step_id)
        one.run.turns[str(one.run.next_step)] = one.incident.pk if number is None else number
        if number is not None:
            first[step_id] = number + 1


def _robin_of(due: DueRun) -> int:
    step = due.step
    assert step is not None  # noqa: S101 - who takes turns has a step
    return step["robin"]


def _draw(numbers: Counter[int]) -> dict[int, int]:
    """The first of the numbers that each step gave out."""
    with connection.cursor() as cursor:
        cursor.execute(_DRAW, [list(numbers), list(numbers.values())])
        return dict(cursor.fetchall())


def only_turn(found: Sequence[Found], turn: int) -> list[Found]:
    """What was found, with one of its people instead of all; places and problems stay."""
    everybody: dict[int, tuple[Person, Found]] = {}
    for one in found:
        for person in one.people:
            everybody.setdefault(person.id, (person, one))
    others = [one for one in found if not one.people]
    if not everybody:
        return others
    person, source = list(everybody.values())[turn % len(everybody)]
    note = f"{source.note}, in turn" if source.note else "in turn"
    return [Found(people=(person,), note=note), *others]
