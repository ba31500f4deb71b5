"""Temporary schedules: other shifts than the layers' for some days, entered as a list."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from escalations import selectors
from escalations.models import Schedule, TemporarySchedule
from escalations.services.temporaries import (
    MAX_SHIFTS,
    ShiftInput,
    end_temporary,
    set_temporary,
)
from escalations.services.temporary_changes import change_temporary
from escalations.web.fields import active_people
from incidents.filters import read_id
from incidents.web.answers import back_to, say, signed_in
from incidents.web.maintenance_forms import WallTimeField
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User
from opsknight.wall_clock import first_instant, last_instant, wall_time
from opsknight.web import client_ip

WALL = "%Y-%m-%dT%H:%M"


class TemporaryForm(forms.Form):
    """The span in which nothing else holds."""

    use_required_attribute = False

    name = forms.CharField(
        required=False, max_length=200, help_text="Why, such as Christmas or an audit."
    )
    starts_at = WallTimeField(label="From")
    ends_at = WallTimeField(label="Until")


@dataclass(frozen=True)
class ShiftRow:
    """One shift as it stands in the form."""

    user: str
    starts: str
    ends: str
    reasons: tuple[str, ...] = ()


@dataclass
class Editor:
    """Everything the page of the form shows."""

    schedule: Schedule
    temporary: TemporarySchedule | None  # None: a new one
    form: TemporaryForm
    rows: list[ShiftRow]
    people: list[User]
    general: list[str] = field(default_factory=list)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def temporary(request: HttpRequest, pk: int, temporary_id: int | None = None) -> HttpResponse:
    """Show a temporary schedule or an empty form, change its list, or save it."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    found = selectors.get_temporary_of(shown, temporary_id) if temporary_id else None
    now = timezone.now()
    if request.method != "POST":
        return _page(request, _stored(shown, found, now))
    rows = read_rows(request.POST)
    editor = Editor(shown, found, TemporaryForm(request.POST), rows, active_people())
    do = request.POST.get("do", "save")
    if do == "save":
        return _save(request, user, editor, now)
    editor.rows = rearranged(editor, do)
    editor.form.errors.clear()
    return _page(request, editor)


def _stored(shown: Schedule, found: TemporarySchedule | None, now: datetime) -> Editor:
    zone = shown.time_zone
    if found is None:
        start = wall_time(now, zone).replace(minute=0) + timedelta(hours=1)
        initial: dict[str, Any] = {"starts_at": start, "ends_at": start + timedelta(days=1)}
        return Editor(shown, None, TemporaryForm(initial=initial), [], active_people())
    initial = {
        "name": found.name,
        "starts_at": wall_time(found.starts_at, zone),
        "ends_at": wall_time(found.ends_at, zone),
    }
    rows = [
        ShiftRow(
            str(shift.user_id),
            f"{wall_time(shift.starts_at, zone):{WALL}}",
            f"{wall_time(shift.ends_at, zone):{WALL}}",
        )
        for shift in found.shifts.all()
    ]
    return Editor(shown, found, TemporaryForm(initial=initial), rows, active_people())


def read_rows(data: QueryDict) -> list[ShiftRow]:
    """The shifts as they were posted."""
    return [
        ShiftRow(
            data.get(f"shift-{key}-user", ""),
            data.get(f"shift-{key}-starts", "").strip(),
            data.get(f"shift-{key}-ends", "").strip(),
        )
        for key in data.getlist("shifts")[: MAX_SHIFTS + 1]
    ]


def rearranged(editor: Editor, do: str) -> list[ShiftRow]:
    """The shifts after "add" or "remove-2"; a new one goes on where the last one ends."""
    verb, _, place = do.partition("-")
    if verb == "add":
        data = editor.form.data
        start = editor.rows[-1].ends if editor.rows else data.get("starts_at", "")
        return [*editor.rows, ShiftRow("", start, data.get("ends_at", ""))]
    if verb == "remove" and place.isdecimal():
        return [row for number, row in enumerate(editor.rows) if str(number) != place]
    return editor.rows


def _save(request: HttpRequest, user: User, editor: Editor, now: datetime) -> HttpResponse:
    shown, zone = editor.schedule, editor.schedule.time_zone
    is_valid = editor.form.is_valid()
    shifts = _shifts(editor, zone)
    if not is_valid or shifts is None:
        return _page(request, editor, status=422)
    data = editor.form.cleaned_data
    values: dict[str, Any] = {
        "name": data["name"],
        "starts_at": first_instant(data["starts_at"], zone),
        "ends_at": last_instant(data["ends_at"], zone),
        "shifts": shifts,
        "actor": user,
        "now": now,
        "ip": client_ip(request),
    }
    try:
        if editor.temporary is None:
            set_temporary(schedule=shown, **values)
        else:
            change_temporary(temporary=editor.temporary, **values)
    except InvalidInput as error:
        _show_reasons(editor, error.fields)
    except Conflict as error:
        editor.general.append(error.message)
    else:
        response = redirect("escalations:overrides", shown.pk)
        return say(request, response, "The temporary schedule is saved.")
    return _page(request, editor, status=422)


def _shifts(editor: Editor, zone: str) -> list[ShiftInput] | None:
    """The shifts of the form; None when one cannot be read, which then says why."""
    found: list[ShiftInput] = []
    for place, row in enumerate(editor.rows):
        user_id = read_id(row.user)
        try:
            first = _instant(row.starts, zone, is_end=False)
            last = _instant(row.ends, zone, is_end=True)
        except ValueError:
            text = "Write both times as 2026-12-24 14:00."
            editor.rows[place] = replace(row, reasons=(text,))
            continue
        if user_id is None:
            editor.rows[place] = replace(row, reasons=("Choose a person, or remove this shift.",))
            continue
        found.append(ShiftInput(user_id, first, last))
    return found if len(found) == len(editor.rows) else None


def _instant(text: str, zone: str, *, is_end: bool) -> datetime:
    wall = datetime.fromisoformat(text)
    if wall.tzinfo is not None or not 1970 <= wall.year <= 2190:
        raise ValueError(text)
    return last_instant(wall, zone) if is_end else first_instant(wall, zone)


def _show_reasons(editor: Editor, fields: dict[str, list[str]]) -> None:
    for name, texts in fields.items():
        head, _, rest = name.partition(".")
        place = rest.partition(".")[0]
        if head == "shifts" and place.isdecimal() and int(place) < len(editor.rows):
            row = editor.rows[int(place)]
            editor.rows[int(place)] = replace(row, reasons=(*row.reasons, *texts))
        elif head in editor.form.fields:
            editor.form.add_error(head, texts)
        else:
            editor.general.extend(texts)


def _page(request: HttpRequest, editor: Editor, *, status: int = 200) -> HttpResponse:
    context = {"schedule": editor.schedule, "editor": editor, "form": editor.form}
    return render(request, "escalations/schedules/temporary.html", context, status=status)


@login_required
@require_POST
def temporary_end(request: HttpRequest, pk: int, temporary_id: int) -> HttpResponse:
    """Let the layers hold again: one that runs ends now, one to come is deleted."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    found = selectors.get_temporary_of(shown, temporary_id)
    response = back_to(request, reverse("escalations:overrides", args=[shown.pk]))
    try:
        end_temporary(temporary=found, actor=user, now=timezone.now(), ip=client_ip(request))
    except Conflict as error:
        return say(request, response, error.message, level="warning")
    return say(request, response, "The layers of the schedule hold again.")


temporary_patterns: list[URLPattern] = [
    path("schedules/<int:pk>/temporary/new/", temporary, name="temporary_new"),
    path("schedules/<int:pk>/temporary/<int:temporary_id>/", temporary, name="temporary"),
    path(
        "schedules/<int:pk>/temporary/<int:temporary_id>/end/",
        temporary_end,
        name="temporary_end",
    ),
]
