"""What a layer in the form would do: the next weeks of it, and of the whole schedule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from escalations import selectors
from escalations.models import Schedule, ScheduleLayer
from escalations.selectors import Rota
from escalations.services.one_layer import preview_layer
from escalations.web.layer_forms import LayerForm, LayerLists, input_from, unreadable_times
from escalations.web.shown import DaysAhead
from escalations.web.timeline import Timeline, preview_of
from opsknight.errors import InvalidInput
from opsknight.models import User
from opsknight.wall_clock import wall_time

SPANS = ((7, "Week"), (14, "2 weeks"), (31, "Month"))
DEFAULT_DAYS = 14
# Fields of the service that the form enters in another way.
FIELDS = {"starts_at": "first_on"}
NO_PEOPLE = "Add the first person, and the turns are shown here."


@dataclass(frozen=True)
class Problem:
    """Why it cannot be saved as it is."""

    label: str
    target: str  # id of the field; "": the whole
    text: str


@dataclass
class LayerPreview:
    """The panel beside the form."""

    window: DaysAhead
    timeline: Timeline | None = None
    problems: list[Problem] = field(default_factory=list)
    hint: str = ""

    @property
    def spans(self) -> list[tuple[int, str, bool]]:
        """The switch: days, name, chosen."""
        return [(days, name, days == self.window.days) for days, name in SPANS]


@dataclass(frozen=True)
class Draft:
    """A layer as it stands in the form."""

    schedule: Schedule
    row: ScheduleLayer | None
    form: LayerForm
    lists: LayerLists


def preview_of_draft(
    user: User, draft: Draft, posted: Mapping[str, str], *, now: datetime
) -> LayerPreview:
    """The preview of what is in the form, or why there is none; nothing is stored."""
    zone = draft.schedule.time_zone
    try:
        today = wall_time(now, zone).date()
    except selectors.UNREADABLE:
        zone, today = "UTC", now.date()
    wanted = posted.get("preview_days", "")
    days = int(wanted) if wanted in {str(days) for days, _ in SPANS} else DEFAULT_DAYS
    preview = LayerPreview(DaysAhead(today, days, zone))
    try:
        found = _rota_of(user, draft, now)
        if isinstance(found, list):
            preview.problems = found
            return preview
        rota, layer_id = found
        if layer_id is None:
            preview.hint = NO_PEOPLE
        preview.timeline = preview_of(rota, layer_id=layer_id, window=preview.window, now=now)
    except selectors.UNREADABLE as error:
        preview.problems = [Problem("", "", f"This cannot be calculated: {error}.")]
    return preview


def _rota_of(user: User, draft: Draft, now: datetime) -> tuple[Rota, int | None] | list[Problem]:
    """The schedule with the draft in it and the id of its layer, or what is wrong with it."""
    schedule = draft.schedule
    if not draft.form.is_bound or (draft.row is None and not _has_people(draft)):
        layer_id = draft.row.pk if draft.row and not draft.form.is_bound else None
        return _readable(selectors.rotas_of([schedule.pk], since=now)[schedule.pk]), layer_id
    problems = _problems_of(draft)
    if problems:
        return problems
    data = draft.form.cleaned_data
    wanted = input_from(
        data,
        draft.lists,
        zone=schedule.time_zone,
        layer_id=draft.row.pk if draft.row else None,
    )
    try:
        rota = preview_layer(
            schedule=schedule, layer=wanted, place=data["place"], actor=user, now=now
        )
    except InvalidInput as error:
        return _refusals(draft, error.fields, data["place"])
    place = min(data["place"], len(rota.layers) - 1)
    return _readable(rota), rota.layers[place].pk


def _readable(rota: Rota) -> Rota:
    if rota.problem:
        raise ValueError(rota.problem)
    return rota


def _has_people(draft: Draft) -> bool:
    is_calendar = draft.form.data.get("source") == ScheduleLayer.Source.CALENDAR
    return is_calendar or bool(draft.lists.turns)


def _problems_of(draft: Draft) -> list[Problem]:
    """What the form itself finds; more than that is not asked of the service."""
    found = []
    for name in draft.form.errors:
        if name in draft.form.fields:
            bound = draft.form[name]
            found.append(Problem(str(bound.label), bound.auto_id, str(bound.errors[0])))
    for key, texts in unreadable_times(draft.lists).items():
        found.append(Problem("Active times", f"id_{key}", texts[0]))
    return found


def _refusals(draft: Draft, fields: Mapping[str, list[str]], place: int) -> list[Problem]:
    found = []
    for name, texts in fields.items():
        head, _, rest = name.removeprefix(f"layers.{place}.").partition(".")
        field_name = FIELDS.get(head, head)
        if field_name in draft.form.fields:
            bound = draft.form[field_name]
            found.append(Problem(str(bound.label), bound.auto_id, texts[0]))
        elif head == "members" and rest:
            found.append(
                Problem(f"Turn {int(rest.partition('.')[0]) + 1}", "layer-turns", texts[0])
            )
        else:
            found.append(Problem("", "", texts[0]))
    return found
