"""Pages of schedules: who is on call, and who will be."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from escalations import selectors
from escalations.models import LayerMember, Schedule, ScheduleLayer
from escalations.oncall import ScheduleSpec, next_change, on_call_at, shifts_between
from escalations.services.rotations import put_on_call as put_person_on_call
from escalations.web.phrases import rotation_phrase
from incidents.filters import read_id
from opsknight.errors import NotFound
from opsknight.models import User
from opsknight.web import client_ip

SHOWN_DAYS = 14
SHOWN_SHIFTS = 60


@dataclass(frozen=True)
class LayerView:
    """One layer with its people in the order of their turns."""

    layer: ScheduleLayer
    rotation: str
    members: list[LayerMember]
    on_turn_id: int | None  # who has the layer's turn now, whether it decides or not
    is_over: bool


@dataclass(frozen=True)
class ShiftRow:
    """A line of the table: a shift, or a time in which nobody is on call."""

    starts_at: datetime | None  # None: it began before this moment
    ends_at: datetime | None  # None: never
    person: User | None
    layer_name: str


@login_required
def schedules(request: HttpRequest) -> HttpResponse:
    """All schedules: who is on call now, until when, and who is next."""
    user = cast(User, request.user)
    duties = selectors.on_call_now(user, now=timezone.now())
    may_change = selectors.may_change_schedules(user)
    context = {"duties": duties, "may_change": may_change}
    return render(request, "escalations/schedules.html", context)


@login_required
def schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """One schedule: its layers, and its shifts of the next two weeks."""
    user = cast(User, request.user)
    shown = selectors.get_schedule_for(user, pk)
    now = timezone.now()
    layers = list(selectors.layers_of([shown.pk]))
    zone = user.time_zone if request.GET.get("zone") == "mine" else shown.time_zone
    context: dict[str, object] = {
        "schedule": shown,
        "zone": zone,
        "other_zone": user.time_zone if user.time_zone != shown.time_zone else "",
        "may_change": selectors.may_change_schedules(user),
        "policies": selectors.policies_paging(shown),
        "days": SHOWN_DAYS,
        "shown_shifts": SHOWN_SHIFTS,
    }
    try:
        spec = selectors.spec_of(shown, layers)
        rows = _shift_rows(spec, selectors.users_in(layers), now)
        context["layers"] = [_layer_view(shown, layer, now) for layer in layers]
    except selectors.UNREADABLE as error:
        context |= {"zone": "UTC", "unreadable": str(error), "layers": [], "rows": []}
        return render(request, "escalations/schedule.html", context)
    context |= {"rows": rows[:SHOWN_SHIFTS], "has_more": len(rows) > SHOWN_SHIFTS}
    context["current"] = rows[0] if rows else None
    return render(request, "escalations/schedule.html", context)


@login_required
@require_POST
def put_on_call(request: HttpRequest, pk: int, layer_id: int) -> HttpResponse:
    """Give the layer's present turn to one of its people."""
    user = cast(User, request.user)
    shown = selectors.get_schedule_to_change_for(user, pk)
    layer = selectors.layers_of([shown.pk]).filter(pk=layer_id).first()
    chosen = read_id(request.POST.get("user", ""))
    if layer is None or chosen is None:
        raise NotFound("There is no such layer or person.")
    now = timezone.now()
    put_person_on_call(layer=layer, user_id=chosen, actor=user, now=now, ip=client_ip(request))
    messages.success(request, f"The present turn of {layer.name} was given over.")
    return redirect("escalations:schedule", pk=shown.pk)


def _layer_view(shown: Schedule, layer: ScheduleLayer, now: datetime) -> LayerView:
    return LayerView(
        layer=layer,
        rotation=rotation_phrase(layer, shown.time_zone),
        members=list(layer.members.all()),
        on_turn_id=next(iter(on_call_at(selectors.spec_of(shown, [layer]), now)), None),
        is_over=layer.ends_at is not None and layer.ends_at <= now,
    )


def _shift_rows(spec: ScheduleSpec, people: dict[int, User], now: datetime) -> list[ShiftRow]:
    """The shifts from now on, with rows for the holes between them; the last one to its end."""
    until = now + timedelta(days=SHOWN_DAYS)
    rows: list[ShiftRow] = []
    moment = now
    for shift in shifts_between(spec, now, until):
        if shift.starts_at > moment:
            rows.append(ShiftRow(moment, shift.starts_at, None, ""))
        person = people.get(shift.user_id)
        moment = shift.ends_at
        ends_at = moment if moment < until else next_change(spec, shift.starts_at)
        rows.append(ShiftRow(shift.starts_at, ends_at, person, shift.source))
    if moment < until:
        rows.append(ShiftRow(moment, None, None, ""))
    rows[0] = replace(rows[0], starts_at=None)
    return rows
