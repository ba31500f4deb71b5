"""The form of an override. What it may be is decided by `services.overrides`."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms

from escalations.models import Override
from escalations.services.overrides import MAX_NOTE, OverrideInput
from escalations.web.fields import PersonField
from incidents.filters import read_id
from incidents.web.maintenance_forms import WallTimeField
from opsknight.models import User
from opsknight.wall_clock import first_instant, last_instant, wall_time

COVER, EVERYBODY, ADD, REMOVE = "cover", "everybody", "add", "remove"
WHAT = [
    (COVER, "instead of one person, whenever that person is on call"),
    (EVERYBODY, "instead of everybody"),
    (ADD, "in addition"),
    (REMOVE, "nobody: one person less"),
]


class OverrideForm(forms.Form):
    """Who, instead of whom, from when until when, on the clock of a zone."""

    use_required_attribute = False  # the fields that count depend on what is chosen

    what = forms.ChoiceField(label="On call", choices=WHAT)
    user = PersonField(label="Who", empty_label="Choose…", required=False)
    replaces = PersonField(label="Instead of", empty_label="Choose…", required=False)
    starts_at = WallTimeField(label="From")
    ends_at = WallTimeField(label="Until")
    everywhere = forms.BooleanField(
        required=False, label="Also cover this person's shifts in all other schedules"
    )
    note = forms.CharField(required=False, max_length=MAX_NOTE)

    def __init__(self, zone: str, people: Iterable[User], members: Iterable[User], **kwargs: Any):
        super().__init__(**kwargs)
        self.zone = zone
        self.fields["user"].offer(people)  # type: ignore[attr-defined]
        self.fields["replaces"].offer(members)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Who comes and who goes must be named where it matters."""
        data = super().clean() or {}
        if data.get("what") != REMOVE and not data.get("user") and "user" not in self.errors:
            self.add_error("user", "Choose who is on call instead.")
        wants_one = data.get("what") in (COVER, REMOVE)
        if wants_one and not data.get("replaces") and "replaces" not in self.errors:
            self.add_error("replaces", "Choose whose shifts this is about.")
        return data

    def span(self) -> tuple[datetime, datetime]:
        """The checked times; of a wall time that occurs twice, the longer override."""
        data = self.cleaned_data
        return first_instant(data["starts_at"], self.zone), last_instant(data["ends_at"], self.zone)

    def wanted(self) -> OverrideInput:
        """What the service takes."""
        data = self.cleaned_data
        what = data["what"]
        starts_at, ends_at = self.span()
        kinds = {ADD: Override.Kind.ADD, REMOVE: Override.Kind.REMOVE}
        return OverrideInput(
            kind=kinds.get(what, Override.Kind.REPLACE),
            starts_at=starts_at,
            ends_at=ends_at,
            user_id=None if what == REMOVE else data["user"],
            replaces_id=data["replaces"] if what in (COVER, REMOVE) else None,
            note=data["note"],
        )


def initial_from(
    query: Mapping[str, str], *, zone: str, now: datetime, viewer: User
) -> dict[str, Any]:
    """What an address proposes: the span and the person of a shift, or the next hours."""
    start = read_instant(query.get("from", "")) or now
    end = read_instant(query.get("until", "")) or start + timedelta(hours=8)
    instead, what = read_id(query.get("instead", "")), query.get("what", "")
    start = max(start, now)
    return {
        "what": what if what in dict(WHAT) else COVER if instead else EVERYBODY,
        "user": viewer.pk if viewer.pk != instead else None,
        "replaces": instead,
        "starts_at": wall_time(start, zone).replace(second=0, microsecond=0),
        "ends_at": wall_time(max(end, start + timedelta(hours=1)), zone),
    }


def initial_of(override: Override, zone: str) -> dict[str, Any]:
    """The form of a stored override."""
    what = {Override.Kind.ADD: ADD, Override.Kind.REMOVE: REMOVE}.get(
        Override.Kind(override.kind), COVER if override.replaces_id else EVERYBODY
    )
    return {
        "what": what,
        "user": override.user_id,
        "replaces": override.replaces_id,
        "starts_at": wall_time(override.starts_at, zone),
        "ends_at": wall_time(override.ends_at, zone),
        "note": override.note,
    }


def read_instant(text: str) -> datetime | None:
    """An instant as 2026-11-23T09:00Z in sane years; None for anything else."""
    try:
        instant = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        return None
    if instant.utcoffset() is None or not 1971 <= instant.year <= 2190:
        return None
    return instant
