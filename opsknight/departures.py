"""What is lost when a person leaves: apps above the core say it, and whoever does it is asked.

The core knows nothing of schedules. An app that does registers a question when it is loaded
(`AppConfig.ready`), and every door that disables or deletes an account asks all of them.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeAlias

from opsknight.errors import Conflict
from opsknight.models import User

# Answers what nobody does any more without these people, a sentence each.
Question: TypeAlias = Callable[[Iterable[User], datetime], list[str]]
# Ends what is under way for a person, in the transaction in which the person leaves.
Ending: TypeAlias = Callable[[User, datetime], None]

_questions: list[Question] = []
_endings: list[Ending] = []

SHOWN_LOSSES = 20


class NeedsConfirmation(Conflict):
    """It can be done, but not by accident: say that you mean it."""

    code = "needs_confirmation"


def ask_on_departure(question: Question) -> None:
    """Have `question` asked before somebody leaves; asking it twice changes nothing."""
    if question not in _questions:
        _questions.append(question)


def on_departure(ending: Ending) -> None:
    """Have `ending` called when somebody is disabled or deleted; once, in AppConfig.ready."""
    if ending not in _endings:
        _endings.append(ending)


def end_work_of(user: User, *, now: datetime) -> None:
    """End what is under way for somebody who leaves; the caller holds the transaction."""
    for ending in _endings:
        ending(user, now)


def losses_without(users: Iterable[User], *, now: datetime) -> list[str]:
    """What is lost when these people leave, a sentence each; empty: nothing."""
    leaving = list(users)
    return [loss for question in _questions for loss in question(leaving, now)]


def require_confirmation(*, what: str, losses: list[str], is_confirmed: bool) -> None:
    """Raise NeedsConfirmation that names the losses, unless there are none or it is confirmed.

    `what` begins the sentence: "Without Bob".
    """
    if is_confirmed or not losses:
        return
    shown = losses[:SHOWN_LOSSES]
    if len(losses) > SHOWN_LOSSES:
        shown.append(f"… and {len(losses) - SHOWN_LOSSES} more.")
    raise NeedsConfirmation(f"{what}: {' '.join(shown)} Confirm it.", fields={"confirm": shown})
