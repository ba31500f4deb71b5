"""The page of a schedule: who is on call now, its timeline, its layers."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from escalations import oncall, selectors
from escalations.models import LayerMember, Schedule, ScheduleLayer
from escalations.selectors import OnCall, Rota
from escalations.services.rotations import put_on_call as put_person_on_call
from escalations.web.announcements import announcements_panel
from escalations.web.feeds import feeds_panel
from escalations.web.phrases import restriction_phrases, rotation_phrase
from escalations.web.schedule_shell import shell_of
from escalations.web.shown import MINE, View, Window, read_window
from escalations.web.timeline import MARGIN, timeline_of
from incidents.filters import read_id
from incidents.web.answers import signed_in
from opsknight.errors import NotFound
from opsknight.models import User
from opsknight.web import client_ip


@dataclass(frozen=True)
class LayerView:
    """One layer with its people in the order of their turns."""

    layer: ScheduleLayer
    rotation: str
    hours: list[str]  # when it is active; empty: always
    turns: list[list[LayerMember]]
    on_turn: int | None  # index of the turn that runs now, whether it decides or not
    is_over: bool
    is_first: bool
    is_last: bool


@never_cache  # it shows secret calendar addresses
@login_required
@require_safe
def schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """One schedule: who is on call, the timeline of the wanted days, the layers."""
    user = signed_in(request)
    shown = selectors.get_schedule_for(user, pk)
    now = timezone.now()
    context = shell_of(user, shown, "timeline", now=now)
    context |= {"policies": selectors.policies_paging(shown), "now": now}
    context |= feeds_panel(user, shown) | announcements_panel(user, shown)
    try:
        context |= _timeline_context(request, user, shown, now)
    except selectors.UNREADABLE as error:
        context |= {"unreadable": str(error), "zone": "UTC"}
    return render(request, "escalations/schedules/timeline_page.html", context)


def _timeline_context(
    request: HttpRequest, user: User, shown: Schedule, now: datetime
) -> dict[str, object]:
    """Everything that needs the calculation; raises one of UNREADABLE."""
    window = read_window(
        request.GET,
        zone=shown.time_zone,
        viewer_zone=user.time_zone,
        now=now,
        default=View.FORTNIGHT,
    )
    chronicle = selectors.chronicles_of([shown.pk], now=now, start=window.start - MARGIN)[shown.pk]
    rota = chronicle.rota
    if rota.problem:
        raise ValueError(rota.problem)
    shown_only = {"starts_at__lt": window.end, "ends_at__gt": window.start}
    duty = selectors.duty_of(rota, now=now)
    return {
        "window": window,
        "zone": window.zone,
        "other_zone": _other_zone(user, shown, window),
        "timeline": timeline_of(
            chronicle,
            overrides=selectors.overrides_of(shown).filter(**shown_only),
            temporaries=selectors.temporaries_of(shown).filter(**shown_only),
            window=window,
            now=now,
        ),
        "duty": duty,
        "layers": layer_views(rota, now),
        "override_url": _override_url(shown, window)
        if selectors.may_change_schedules(user)
        else "",
        "may_take_over": _may_take_over(user, duty),
        "override_separator": "&" if window.is_mine else "?",
        "override_dialog": True,
    }


def _may_take_over(user: User, duty: OnCall) -> bool:
    """Whether one press is enough: with several on call it must be said whose place is taken."""
    is_clear = duty.until is not None and len(duty.people) <= 1 and user not in duty.people
    return is_clear and selectors.may_change_schedules(user)


def _other_zone(user: User, shown: Schedule, window: Window) -> str:
    if user.time_zone == shown.time_zone:
        return ""
    return shown.time_zone if window.is_mine else user.time_zone


def _override_url(shown: Schedule, window: Window) -> str:
    address = reverse("escalations:override_new", args=[shown.pk])
    return f"{address}?{urlencode({'zone': MINE})}" if window.is_mine else address


def layer_views(rota: Rota, now: datetime) -> list[LayerView]:
    """The layers of a rota in words; no query."""
    pairs = list(zip(rota.layers, rota.spec.layers, strict=True))
    return [
        LayerView(
            layer=row,
            rotation=rotation_phrase(row, rota.spec.zone),
            hours=restriction_phrases(row),
            turns=turns_in(row),
            on_turn=oncall.turn_at(data, rota.spec.zone, now),
            is_over=row.ends_at is not None and row.ends_at <= now,
            is_first=place == 0,
            is_last=place == len(pairs) - 1,
        )
        for place, (row, data) in enumerate(pairs)
    ]


def turns_in(layer: ScheduleLayer) -> list[list[LayerMember]]:
    """The members of a layer by turn, in order."""
    turns: dict[int, list[LayerMember]] = {}
    for member in layer.members.all():
        turns.setdefault(member.turn, []).append(member)
    return list(turns.values())


@login_required
@require_POST
def put_on_call(request: HttpRequest, pk: int, layer_id: int) -> HttpResponse:
    """Give the layer's present turn to one of its people."""
    user = signed_in(request)
    shown = selectors.get_schedule_to_change_for(user, pk)
    layer = selectors.layers_of([shown.pk]).filter(pk=layer_id).first()
    chosen = read_id(request.POST.get("user", ""))
    if layer is None or chosen is None:
        raise NotFound("There is no such layer or person.")
    now = timezone.now()
    put_person_on_call(layer=layer, user_id=chosen, actor=user, now=now, ip=client_ip(request))
    messages.success(request, f"The present turn of {layer.name} was given over.")
    return redirect("escalations:schedule", pk=shown.pk)


schedule_patterns: list[URLPattern] = [
    path("schedules/<int:pk>/", schedule, name="schedule"),
    path("schedules/<int:pk>/layers/<int:layer_id>/put-on-call/", put_on_call, name="put_on_call"),
]
