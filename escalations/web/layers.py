"""The editor of a layer: the form, its preview before saving, moving and deleting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from escalations import selectors
from escalations.models import Schedule, ScheduleLayer
from escalations.services.one_layer import (
    delete_layer,
    losses_without_layer,
    move_layer,
    save_layer,
)
from escalations.web.fields import active_people
from escalations.web.layer_forms import (
    ActiveTime,
    LayerForm,
    LayerLists,
    initial_of,
    initial_of_new,
    input_from,
    lists_of,
    read_lists,
    rearranged,
    unreadable_times,
)
from escalations.web.layer_preview import Draft, LayerPreview, preview_of_draft
from incidents.filters import read_id
from incidents.web.answers import say, signed_in
from opsknight.departures import NeedsConfirmation
from opsknight.errors import InvalidInput, NotFound
from opsknight.models import User
from opsknight.services.versions import SavedMeanwhile
from opsknight.web import client_ip

GONE = (
    "Somebody deleted this layer meanwhile. What you entered is still here: save it, and it "
    "becomes a new layer."
)


@dataclass(frozen=True)
class Turn:
    """A turn of the form, its people by name."""

    people: list[tuple[int, str, bool]]  # id, name, active


@dataclass
class Editor:
    """Everything the page of the form shows."""

    schedule: Schedule
    layer: ScheduleLayer | None  # None: a new one
    form: LayerForm
    lists: LayerLists
    people: list[User]
    version: int
    reasons: dict[str, list[str]] = field(default_factory=dict)  # of the lists, by place
    question: list[str] = field(default_factory=list)  # the gaps that saving would open
    is_unsaved: bool = False

    @property
    def turns(self) -> list[tuple[Turn, list[str]]]:
        """The turns with what is wrong with each."""
        known = {user.pk: user for user in self.people}
        if self.layer is not None:
            known |= {m.user.pk: m.user for m in self.layer.members.all() if m.user}
        return [
            (Turn([_named(user_id, known) for user_id in turn]), self.reasons.get(f"turn-{n}", []))
            for n, turn in enumerate(self.lists.turns)
        ]

    @property
    def active(self) -> list[tuple[ActiveTime, list[str]]]:
        """The active times with what is wrong with each."""
        return [
            (each, self.reasons.get(f"active-{place}", []))
            for place, each in enumerate(self.lists.active)
        ]

    @property
    def general(self) -> list[str]:
        """What is wrong with the lists as a whole."""
        return self.reasons.get("turns", []) + self.reasons.get("active", [])


def _named(user_id: int, known: Mapping[int, User]) -> tuple[int, str, bool]:
    user = known.get(user_id)
    return user_id, str(user or "Somebody unknown"), bool(user and user.is_active)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def layer(request: HttpRequest, pk: int, layer_id: int | None = None) -> HttpResponse:
    """Show a layer or an empty form, rearrange its lists (nothing is stored), or save it."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    rows = list(selectors.layers_of([shown.pk]))
    row = next((each for each in rows if each.pk == layer_id), None)
    is_posted = request.method == "POST"
    if row is None and layer_id is not None and not is_posted:
        raise NotFound(f"There is no layer {layer_id} in {shown.name}.")
    editor = _editor(request, shown, rows, row, now=timezone.now())
    if not is_posted:
        return _page(request, editor)
    do = request.POST.get("do", "save")
    if do == "save":
        is_gone = row is None and layer_id is not None
        if is_gone and not request.POST.get("is_gone"):
            editor.form.add_error(None, GONE)
            return _page(request, editor, status=422, is_gone=True)
        return _save(request, user, editor)
    editor.lists = rearranged(editor.lists, do, request.POST)
    editor.is_unsaved = True
    return trigger_client_event(_page(request, editor), "layer-changed", after="settle")


def _editor(
    request: HttpRequest,
    shown: Schedule,
    rows: list[ScheduleLayer],
    row: ScheduleLayer | None,
    *,
    now: datetime,
) -> Editor:
    """The form as it was posted, or as it is stored; 1 query."""
    places = _places(rows, row)
    if request.method == "POST":
        form = LayerForm(places, data=request.POST)
        lists = read_lists(request.POST)
        version = read_id(request.POST.get("version", "")) or shown.version
    elif row is not None:
        form = LayerForm(places, initial=initial_of(row, shown.time_zone, rows.index(row)))
        lists, version = lists_of(row), shown.version
    else:
        initial = initial_of_new(shown.time_zone, len(rows), now)
        form = LayerForm(places, initial=initial)
        lists, version = LayerLists(), shown.version
    return Editor(shown, row, form, lists, active_people(), version)


def _places(rows: list[ScheduleLayer], row: ScheduleLayer | None) -> list[tuple[int, str]]:
    """Where a layer may stand: "First", "After Nights"."""
    others = [other for other in rows if other is not row]
    return [
        (0, "First"),
        *((place, f"After {other.name}") for place, other in enumerate(others, start=1)),
    ]


def _save(request: HttpRequest, user: User, editor: Editor) -> HttpResponse:
    editor.is_unsaved = True
    editor.reasons = unreadable_times(editor.lists)
    if not editor.form.is_valid() or editor.reasons:
        return _page(request, editor, status=422)
    data = editor.form.cleaned_data
    shown = editor.schedule
    wanted = input_from(
        data,
        editor.lists,
        zone=shown.time_zone,
        layer_id=editor.layer.pk if editor.layer else None,
    )
    try:
        save_layer(
            schedule=shown,
            layer=wanted,
            place=data["place"],
            actor=user,
            now=timezone.now(),
            version=editor.version,
            is_confirmed=bool(request.POST.get("confirm")),
            ip=client_ip(request),
        )
    except NeedsConfirmation as question:
        editor.question = question.fields["confirm"]
    except InvalidInput as error:
        show_reasons(editor, error.fields, data["place"])
    except SavedMeanwhile as error:
        # Whoever presses again has read it, and wants what is in the form.
        editor.form.add_error(None, f"{error.message} Or save once more: then yours replaces it.")
        editor.version = selectors.get_schedule_for(user, shown.pk).version
    else:
        response = redirect("escalations:schedule", shown.pk)
        return say(request, response, f"Saved {wanted.name}.")
    return _page(request, editor, status=422)


def show_reasons(editor: Editor, fields: dict[str, list[str]], place: int) -> None:
    """Put what the service refused at its field; fields of other layers go above the form."""
    targets = {"starts_at": "first_on", "restrictions": "active", "members": "turns"}
    for name, texts in fields.items():
        own = name.removeprefix(f"layers.{place}.")
        head, _, rest = own.partition(".")
        number = rest.partition(".")[0]
        if name == own and name.startswith("layers."):
            editor.form.add_error(None, texts)
        elif head in ("members", "restrictions"):
            kind = "turn" if head == "members" else "active"
            key = f"{kind}-{number}" if number else targets[head]
            editor.reasons.setdefault(key, []).extend(texts)
        else:
            target = targets.get(head, head)
            editor.form.add_error(target if target in editor.form.fields else None, texts)


def _page(
    request: HttpRequest, editor: Editor, *, status: int = 200, is_gone: bool = False
) -> HttpResponse:
    context: dict[str, Any] = {
        "schedule": editor.schedule,
        "editor": editor,
        "form": editor.form,
        "preview": _preview(request, editor),
        "is_gone": is_gone or bool(request.POST.get("is_gone")),
    }
    if request.method == "POST" and request.POST.get("do", "save") != "save":
        # Nobody has asked for this to be saved, so nothing is wrong with it yet.
        editor.form.errors.clear()
    return render(request, "escalations/schedules/layer.html", context, status=status)


def _preview(request: HttpRequest, editor: Editor) -> LayerPreview:
    draft = Draft(editor.schedule, editor.layer, editor.form, editor.lists)
    return preview_of_draft(signed_in(request), draft, request.POST, now=timezone.now())


@login_required
@require_POST
def layer_preview(request: HttpRequest, pk: int, layer_id: int | None = None) -> HttpResponse:
    """What the layer in the form would do in the next weeks; nothing is stored."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    rows = list(selectors.layers_of([shown.pk]))
    row = next((each for each in rows if each.pk == layer_id), None)
    editor = _editor(request, shown, rows, row, now=timezone.now())
    context = {"schedule": shown, "preview": _preview(request, editor), "is_answer": True}
    return render(request, "escalations/schedules/layer_preview.html", context)


@login_required
@require_POST
def layer_move(request: HttpRequest, pk: int, layer_id: int) -> HttpResponse:
    """Let a layer decide earlier or later than its neighbour."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    response = redirect("escalations:schedule", shown.pk)
    try:
        move_layer(
            schedule=shown,
            layer_id=layer_id,
            by=-1 if request.POST.get("to") == "up" else 1,
            actor=user,
            now=timezone.now(),
            version=read_id(request.POST.get("version", "")),
            ip=client_ip(request),
        )
    except SavedMeanwhile as error:
        return say(request, response, error.message, level="warning")
    return say(request, response, "The order of the layers is changed.")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def layer_delete(request: HttpRequest, pk: int, layer_id: int) -> HttpResponse:
    """Delete a layer; GET names the times without anybody that this would open, and asks."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    row = selectors.layers_of([shown.pk]).filter(pk=layer_id).first()
    if row is None:
        raise NotFound(f"There is no layer {layer_id} in {shown.name}.")
    now = timezone.now()
    notice = ""
    if request.method == "POST":
        try:
            delete_layer(
                schedule=shown,
                layer_id=row.pk,
                actor=user,
                now=now,
                version=read_id(request.POST.get("version", "")),
                is_confirmed=bool(request.POST.get("confirm")),
                ip=client_ip(request),
            )
        except (SavedMeanwhile, NeedsConfirmation) as error:
            notice = error.message
            shown = selectors.get_schedule_for(user, pk)
        else:
            response = redirect("escalations:schedule", shown.pk)
            return say(request, response, f"Deleted {row.name}.")
    losses = losses_without_layer(schedule=shown, layer_id=row.pk, actor=user, now=now)
    context = {"schedule": shown, "layer": row, "losses": losses, "notice": notice}
    template = "escalations/schedules/layer_delete.html"
    return render(request, template, context, status=409 if notice else 200)


layer_patterns: list[URLPattern] = [
    path("schedules/<int:pk>/layers/new/", layer, name="layer_new"),
    path("schedules/<int:pk>/layers/new/preview/", layer_preview, name="layer_new_preview"),
    path("schedules/<int:pk>/layers/<int:layer_id>/", layer, name="layer"),
    path("schedules/<int:pk>/layers/<int:layer_id>/preview/", layer_preview, name="layer_preview"),
    path("schedules/<int:pk>/layers/<int:layer_id>/move/", layer_move, name="layer_move"),
    path("schedules/<int:pk>/layers/<int:layer_id>/delete/", layer_delete, name="layer_delete"),
]
