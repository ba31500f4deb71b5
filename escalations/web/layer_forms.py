"""The form of a layer: its fields, its turns and its active times, as they stand in the browser.

Turns and active times are lists of any length, so they are read by hand; what a layer may be is
decided by `services.layers`.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.http import QueryDict

from escalations.models import ScheduleLayer
from escalations.services.layers import (
    MAX_PEOPLE,
    MAX_RESTRICTIONS,
    MAX_TURNS,
    LayerInput,
    RestrictionInput,
    restrictions_in,
    turns_in,
)
from escalations.web.fields import OptionalWallTimeField
from escalations.web.phrases import WEEKDAYS
from incidents.filters import read_id
from opsknight.wall_clock import first_instant, last_instant, wall_time

Rotation = ScheduleLayer.Rotation
Source = ScheduleLayer.Source
DAY_CHOICES = [(0, "Monday"), (1, "Tuesday"), (2, "Wednesday"), (3, "Thursday")]
DAY_CHOICES += [(4, "Friday"), (5, "Saturday"), (6, "Sunday")]
DAYS = frozenset("0123456")
TIME_FORMATS = ["%H:%M", "%H:%M:%S"]


def time_input(**attributes: str) -> forms.TimeInput:
    """A time of day."""
    return forms.TimeInput(attrs={"type": "time"} | attributes, format="%H:%M")


class LayerForm(forms.Form):
    """Everything about a layer but its lists; times are on the clock of the schedule."""

    use_required_attribute = False  # half-written turns can be moved and removed

    name = forms.CharField(max_length=200, error_messages={"required": "Give the layer a name."})
    place = forms.TypedChoiceField(
        label="Decides", coerce=int, help_text="The first layer with somebody on call decides."
    )
    is_together = forms.BooleanField(
        required=False, label="On call together with the layer above, at the same time"
    )
    source = forms.ChoiceField(label="Who is on call", choices=Source.choices)
    rotation_length = forms.IntegerField(
        label="Handoff every", min_value=1, max_value=10_000, initial=1
    )
    rotation = forms.ChoiceField(label="Unit", choices=Rotation.choices)
    handoff_weekday = forms.TypedChoiceField(
        label="Handoff on", coerce=int, choices=DAY_CHOICES, required=False
    )
    handoff_day = forms.IntegerField(
        label="Handoff on day",
        min_value=1,
        max_value=31,
        required=False,
        help_text="29 to 31 mean the last day of a shorter month.",
    )
    handoff_time = forms.TimeField(
        label="Handoff at",
        widget=time_input(),
        input_formats=TIME_FORMATS,
        error_messages={"invalid": "Write a time of day such as 09:00."},
    )
    first_on = forms.DateField(
        label="Turn 1 includes",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="The day, or the handoff before it. Later turns follow from it.",
        error_messages={"invalid": "Write a date such as 2026-11-23."},
    )
    shift_hours = forms.IntegerField(
        label="Shift shorter than the turn",
        min_value=1,
        required=False,
        help_text="Hours on call from each handoff; nobody of this layer for the rest.",
    )
    begins_at = OptionalWallTimeField(label="Begins")
    ends_at = OptionalWallTimeField(label="Ends")
    skips_inactive = forms.BooleanField(
        required=False, label="Skip turns that fall into inactive times; nobody loses a turn"
    )
    calendar_url = forms.CharField(
        label="iCal address",
        required=False,
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off"}),
        help_text="Its events say who is on call: people are found by name or e-mail address. "
        "It may hold a secret; it is stored encrypted and not shown again.",
    )

    def __init__(self, places: Iterable[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fields["place"].choices = list(places)  # type: ignore[attr-defined]

    def clean_first_on(self) -> date:
        """A day in years for which handoffs can be calculated."""
        day: date = self.cleaned_data["first_on"]
        if not 1970 <= day.year <= 2190:
            raise forms.ValidationError("Use a year from 1970 to 2190.")
        return day


@dataclass(frozen=True)
class ActiveTime:
    """A row of active times as it stands in the form."""

    days: frozenset[int]
    starts: str
    ends: str

    @property
    def day_boxes(self) -> list[tuple[int, str, bool]]:
        """The seven boxes: number, name, ticked."""
        return [(day, name, day in self.days) for day, name in enumerate(WEEKDAYS)]


@dataclass(frozen=True)
class LayerLists:
    """The turns and active times as they stand in the form."""

    turns: tuple[tuple[int, ...], ...] = ()
    active: tuple[ActiveTime, ...] = ()
    # What the buttons of each turn call it: its place when it was drawn, before it was dragged.
    # Empty: nothing was drawn, buttons count places.
    turn_keys: tuple[str, ...] = ()


NEW_ACTIVE = ActiveTime(frozenset(range(5)), "09:00", "17:00")


# From the database


def initial_of(row: ScheduleLayer, zone: str, place: int) -> dict[str, Any]:
    """The fields of a stored layer."""
    anchor = wall_time(row.starts_at, zone)
    return {
        "name": row.name,
        "place": place,
        "is_together": row.is_together,
        "source": row.source,
        "rotation": row.rotation,
        "rotation_length": row.rotation_length,
        "handoff_weekday": anchor.weekday(),
        "handoff_day": anchor.day,
        "handoff_time": anchor.time(),
        "first_on": anchor.date(),
        "shift_hours": row.shift_hours,
        "begins_at": wall_time(row.begins_at, zone) if row.begins_at else None,
        "ends_at": wall_time(row.ends_at, zone) if row.ends_at else None,
        "skips_inactive": row.skips_inactive,
    }


def initial_of_new(zone: str, place: int, now: datetime) -> dict[str, Any]:
    """A weekly rotation whose handoff is on Monday at nine."""
    return {
        "place": place,
        "source": Source.ROTATION,
        "rotation": Rotation.WEEKLY,
        "rotation_length": 1,
        "handoff_weekday": 0,
        "handoff_day": 1,
        "handoff_time": time(9),
        "first_on": wall_time(now, zone).date(),
    }


def lists_of(row: ScheduleLayer) -> LayerLists:
    """The turns and active times of a stored layer; places of deleted people are left out."""
    active = tuple(
        ActiveTime(each.weekdays, f"{each.starts:%H:%M}", f"{each.ends:%H:%M}")
        for each in restrictions_in(row)
    )
    return LayerLists(tuple(turn for turn in turns_in(row) if turn), active)


# From the browser


def read_lists(data: QueryDict) -> LayerLists:
    """The lists as they were posted, in the order in which they stood."""
    drawn = {key: _ids(data.getlist(f"turn-{key}")) for key in data.getlist("turns")}
    turns = [(key, turn) for key, turn in drawn.items() if turn][: MAX_TURNS + 1]
    active = [
        ActiveTime(
            frozenset(int(day) for day in data.getlist(f"active-{key}-days") if day in DAYS),
            data.get(f"active-{key}-starts", "").strip(),
            data.get(f"active-{key}-ends", "").strip(),
        )
        for key in data.getlist("active")[: MAX_RESTRICTIONS + 1]
    ]
    return LayerLists(
        turns=tuple(turn for _, turn in turns),
        active=tuple(active),
        turn_keys=tuple(key for key, _ in turns),
    )


def _ids(texts: Iterable[str]) -> tuple[int, ...]:
    found = [number for text in texts if (number := read_id(text))]
    return tuple(dict.fromkeys(found))[: MAX_PEOPLE + 1]


def rearranged(lists: LayerLists, do: str, data: Mapping[str, str]) -> LayerLists:
    """The lists after a button: "add", "up-2", "down-2", "join-2", "split-2", "drop-2-17", …

    Places count from 0, as they were drawn; what fits no list changes nothing.
    """
    verb, _, rest = do.partition("-")
    place_text, _, person = rest.partition("-")
    place = int(place_text) if place_text.isdecimal() and len(place_text) < 6 else -1
    if lists.turn_keys and verb != "unrestrict":
        place = lists.turn_keys.index(place_text) if place_text in lists.turn_keys else -1
    match verb:
        case "add":
            chosen = read_id(data.get("person", ""))
            turns = (*lists.turns, (chosen,)) if chosen else lists.turns
            return replace(lists, turns=turns)
        case "restrict":
            return replace(lists, active=(*lists.active, NEW_ACTIVE))
        case "unrestrict":
            kept = [each for number, each in enumerate(lists.active) if number != place]
            return replace(lists, active=tuple(kept))
        case _:
            return replace(lists, turns=_turns_after(list(lists.turns), verb, place, person))


def _turns_after(
    turns: list[tuple[int, ...]], verb: str, place: int, person: str
) -> tuple[tuple[int, ...], ...]:
    if not 0 <= place < len(turns):
        return tuple(turns)
    turn = turns.pop(place)
    match verb:
        case "up":
            turns.insert(max(place - 1, 0), turn)
        case "down":
            turns.insert(place + 1, turn)
        case "join" if place > 0:
            turns[place - 1] = tuple(dict.fromkeys((*turns[place - 1], *turn)))
        case "split":
            turns[place:place] = [(user_id,) for user_id in turn]
        case "drop":
            left = tuple(user_id for user_id in turn if str(user_id) != person)
            turns[place:place] = [left] if left else []
        case _:
            turns.insert(place, turn)
    return tuple(turns)


# To the service


def anchor_of(data: Mapping[str, Any], zone: str) -> datetime:
    """The handoff with which turn 1 starts: the one on or before the day that was entered."""
    day: date = data["first_on"]
    match data["rotation"]:
        case Rotation.WEEKLY:
            day -= timedelta(days=(day.weekday() - (data["handoff_weekday"] or 0)) % 7)
        case Rotation.MONTHLY:
            day = _month_day(day, data["handoff_day"] or day.day)
    return first_instant(datetime.combine(day, data["handoff_time"]), zone)


def _month_day(day: date, wanted: int) -> date:
    """The last day of this number that is not after `day`."""
    month = day.replace(day=1)
    while monthrange(month.year, month.month)[1] < wanted or month.replace(day=wanted) > day:
        month = (month - timedelta(days=1)).replace(day=1)
    return month.replace(day=wanted)


def input_from(
    data: Mapping[str, Any], lists: LayerLists, *, zone: str, layer_id: int | None
) -> LayerInput:
    """What the service takes, from checked fields and readable active times."""
    is_calendar = data["source"] == Source.CALENDAR
    return LayerInput(
        id=layer_id,
        name=data["name"],
        starts_at=anchor_of(data, zone),
        turns=() if is_calendar else lists.turns,
        rotation=data["rotation"],
        rotation_length=data["rotation_length"],
        shift_hours=None if is_calendar else data["shift_hours"],
        begins_at=first_instant(data["begins_at"], zone) if data["begins_at"] else None,
        ends_at=last_instant(data["ends_at"], zone) if data["ends_at"] else None,
        restrictions=tuple(
            RestrictionInput(each.days, read_time(each.starts), read_time(each.ends))
            for each in lists.active
        ),
        skips_inactive=data["skips_inactive"],
        is_together=data["is_together"],
        source=data["source"],
        calendar_url=data["calendar_url"] or None,
    )


def read_time(text: str) -> time:
    """A time of day; raises ValueError."""
    return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)


def unreadable_times(lists: LayerLists) -> dict[str, list[str]]:
    """What is wrong with the active times, by "active-<place>"."""
    reasons: dict[str, list[str]] = {}
    for place, each in enumerate(lists.active):
        if not each.days:
            reasons[f"active-{place}"] = ["Tick at least one day, or remove this time."]
            continue
        try:
            read_time(each.starts), read_time(each.ends)
        except ValueError:
            reasons[f"active-{place}"] = ["Write two times of day such as 09:00 and 17:00."]
    return reasons
