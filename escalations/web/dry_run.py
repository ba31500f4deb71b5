"""Trying out a policy on its page: who would be paged when, if an alert came at some time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from django import forms

from escalations.dry_run import DryMoment, Way
from escalations.foresight import MAX_MOMENTS, Heard
from escalations.web.fields import OptionalWallTimeField
from escalations.web.phrases import length_phrase
from incidents.models import Incident
from notifications.models.preferences import Channel
from opsknight.wall_clock import first_instant
from opsknight.web.moments import short

Urgency = Incident.Urgency
CHANNELS = dict(Channel.choices)
PASSED_OVER = ("the step is only for ", "the step is for incidents of ")


class TryForm(forms.Form):
    """An alert that does not exist; its fields stand in the address."""

    at = OptionalWallTimeField(label="An alert at")
    urgency = forms.ChoiceField(label="Urgency", choices=Urgency.choices, required=False)

    def asked(self, zone: str, now: datetime) -> tuple[datetime, str] | None:
        """The instant and the urgency that are asked for; None: unreadable."""
        if not self.is_valid():
            return None
        wall, urgency = self.cleaned_data["at"], self.cleaned_data["urgency"]
        return first_instant(wall, zone) if wall else now, urgency or Urgency.HIGH


@dataclass(frozen=True)
class Reached:
    """Somebody who would be paged, and how."""

    name: str
    icon: str
    why: str
    ways: str  # "E-mail at once, Webhook after 10 min"; "" for a destination


@dataclass(frozen=True)
class Tried:
    """One line of the table."""

    at: datetime
    after: str  # "at once", "after 1 h 15 min": from the alert on
    what: str  # "Step 2", "Final fallback", "Resolves by itself"
    icon: str
    reached: tuple[Reached, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    is_passed_over: bool  # the step is not for this time


@dataclass(frozen=True)
class Round:
    """The lines of one round of the steps."""

    number: int
    lines: tuple[Tried, ...]


@dataclass(frozen=True)
class Rehearsal:
    """The whole answer."""

    form: TryForm
    at: datetime
    rounds: tuple[Round, ...] = ()
    is_cut: bool = False  # more would follow
    problems: list[str] = field(default_factory=list)  # why there is no answer
    hint: str = ""  # what to do first


def rehearsal_of(form: TryForm, at: datetime, moments: Sequence[DryMoment]) -> Rehearsal:
    """The answer of `dry_run` for people to read."""
    rounds = [
        Round(number, tuple(_line(moment, at) for moment in found))
        for number, found in groupby(moments, key=lambda moment: moment.round)
    ]
    return Rehearsal(form, at, tuple(rounds), is_cut=len(moments) >= MAX_MOMENTS)


def _line(moment: DryMoment, at: datetime) -> Tried:
    # By its own hours or urgency: nothing is wrong with that.
    is_passed_over = any(text.startswith(PASSED_OVER) for text in moment.problems)
    minutes = int((moment.at - at).total_seconds() // 60)
    return Tried(
        at=moment.at,
        after=f"after {length_phrase(minutes)}" if minutes else "at once",
        what=_what(moment),
        icon={"fallback": "life-buoy", "resolve": "circle-check"}.get(moment.kind, ""),
        reached=tuple(_reached(one, ways) for one, ways in moment.heard),
        problems=() if is_passed_over else moment.problems,
        notes=(*moment.notes, *moment.problems) if is_passed_over else moment.notes,
        is_passed_over=is_passed_over,
    )


def _what(moment: DryMoment) -> str:
    if moment.kind == "resolve":
        return "Resolves by itself"
    return "Final fallback" if moment.kind == "fallback" else f"Step {moment.step}"


def _reached(one: Heard, ways: Sequence[Way]) -> Reached:
    texts = [_way(way) for way in ways]
    icon = "user" if one.kind == "user" else "webhook"
    return Reached(one.name, icon, one.why, ", ".join(texts))


def _way(way: Way) -> str:
    channel = CHANNELS.get(way.channel, way.channel)
    wait = f"after {length_phrase(way.wait_minutes)}" if way.wait_minutes else "at once"
    if way.held_until is not None:
        wait = f"held until {short(way.held_until)}"
    return f"{channel} {wait}"
