"""Swap requests: somebody asks for a stand-in, somebody takes the shifts, or the request ends.

Taken, a request is an override that replaces the requester whenever they are on call in the span,
so the shifts keep their borders. Whoever asks needs no role: they are their own shifts.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.urls import reverse

from escalations.models import Override, Schedule, SwapRequest
from escalations.oncall import shifts_of
from escalations.selectors import (
    Rota,
    may_change_schedules,
    may_take_swaps,
    rotas_of,
    swap_requests_of,
)
from escalations.services.history import lock_schedules
from escalations.services.overrides import OverrideInput, add_override
from escalations.services.spans import ahead_of, reasons_against
from notifications.services.notices import NoticeRequest, queue_notices
from opsknight.errors import Conflict, NotAllowed, NotFound
from opsknight.models import User
from opsknight.services.audit import Changes, changes_of, record_change
from opsknight.services.configuration import invalid
from opsknight.wall_clock import wall_time

FIELDS = ("requester", "starts_at", "ends_at", "note")
MAX_NOTE = 200
# Each request mails everybody of its schedule, and one that was cancelled can be asked again.
MAX_ASKED_A_DAY = 20


@transaction.atomic
def ask_for_swap(
    *,
    schedule: Schedule,
    requester: User,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
    note: str = "",
    ip: str | None = None,
) -> SwapRequest:
    """Ask the others of a schedule to take one's shifts in a span; they are told.

    Raises InvalidInput unless the requester has a shift there that is still to come, Conflict for
    somebody who asks again and again.
    """
    rota = _locked_rota(schedule, now)
    _check_rate(requester, now)
    reasons = reasons_against(starts_at, ends_at, now=now)
    if len(note) > MAX_NOTE:
        reasons["note"] = [f"Use at most {MAX_NOTE} characters."]
    if reasons:
        raise invalid(reasons)
    span = ahead_of(starts_at, ends_at, now=now)
    if not shifts_of(rota.spec, requester.pk, span.starts_at, span.ends_at):
        raise invalid({"starts_at": ["You have no shift in this time. Choose another time."]})
    request = SwapRequest(
        schedule=schedule,
        requester=requester,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        note=note.strip(),
        created_at=now,
    )
    _write(request)
    _record(request, "asked", changes_of(None, request, FIELDS), actor=requester, ip=ip)
    others = [pk for pk, user in rota.people.items() if user.is_active and pk != requester.pk]
    subject = f"{requester} asks for a swap in {schedule}"
    text = f"{requester} looks for somebody who takes the shifts {_in_words(request)}."
    _tell(request, others, subject, f"{text} {request.note}".strip(), now)
    return request


def _check_rate(requester: User, now: datetime) -> None:
    asked = SwapRequest.objects.filter(requester=requester, created_at__gt=now - timedelta(days=1))
    if asked.count() >= MAX_ASKED_A_DAY:
        raise Conflict(f"You asked {MAX_ASKED_A_DAY} times within a day. Ask again tomorrow.")


@transaction.atomic
def take_swap(
    *, request: SwapRequest, taker: User, now: datetime, ip: str | None = None
) -> SwapRequest:
    """Take the shifts of a request: an override is made, and both are told.

    Raises NotAllowed for somebody who has nothing to do with the schedule, Conflict unless the
    request is open and there is still a shift to take, InvalidInput when another override is in the
    way.
    """
    if not may_take_swaps(taker, request.schedule):
        raise NotAllowed(
            f"Only people of {request.schedule}, its team and responders take over shifts of it. "
            "Ask a responder."
        )
    rota = _locked_rota(request.schedule, now)
    request = _open(request, now)
    if taker.pk == request.requester_id:
        raise Conflict("These are your own shifts. Cancel the request if you keep them.")
    span = ahead_of(request.starts_at, request.ends_at, now=now)
    if not shifts_of(rota.spec, request.requester_id, span.starts_at, span.ends_at):
        raise Conflict(f"{request.requester} has no shift in this time any more.")
    request.override = add_override(
        schedule=request.schedule,
        wanted=OverrideInput(
            kind=Override.Kind.REPLACE,
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            user_id=taker.pk,
            replaces_id=request.requester_id,
            note="Swap",
        ),
        actor=taker,
        now=now,
        ip=ip,
    )
    request.taken_by = taker
    _close(request, SwapRequest.State.TAKEN, now)
    _record(request, "taken", {"taken_by": [None, str(taker)]}, actor=taker, ip=ip)
    text = f"{taker} takes the shifts of {request.requester} {_in_words(request)}."
    subject = f"{taker} takes over from {request.requester} in {request.schedule}"
    _tell(request, [request.requester_id, taker.pk], subject, text, now)
    return request


@transaction.atomic
def cancel_swap(
    *, request: SwapRequest, actor: User, now: datetime, ip: str | None = None
) -> SwapRequest:
    """Withdraw an open request: its requester may, and whoever changes schedules.

    Raises NotAllowed or Conflict.
    """
    if actor.pk != request.requester_id and not may_change_schedules(actor):
        raise NotAllowed(f"Only {request.requester} and responders may cancel this request.")
    _locked_rota(request.schedule, now)
    request = _open(request, now)
    _close(request, SwapRequest.State.CANCELLED, now)
    _record(request, "cancelled", {}, actor=actor, ip=ip)
    return request


@transaction.atomic
def expire_swaps(*, now: datetime) -> int:
    """Close open requests whose time is over, and tell who asked; returns how many."""
    over = SwapRequest.objects.filter(state=SwapRequest.State.OPEN, ends_at__lte=now)
    locked = over.select_for_update(of=("self",), skip_locked=True)
    requests = list(locked.select_related("schedule", "requester").order_by("pk")[:500])
    for request in requests:
        _close(request, SwapRequest.State.EXPIRED, now)
        _record(request, "expired", {}, actor=None, ip=None)
        text = f"Nobody took the shifts {_in_words(request)}."
        subject = f"Your swap request in {request.schedule} is over"
        _tell(request, [request.requester_id], subject, text, now)
    return len(requests)


def _locked_rota(schedule: Schedule, now: datetime) -> Rota:
    if not lock_schedules([schedule.pk]):
        raise NotFound(f"{schedule} was deleted meanwhile.")
    return rotas_of([schedule.pk], since=now)[schedule.pk]


def _open(request: SwapRequest, now: datetime) -> SwapRequest:
    """The request as it is now; raises Conflict unless it can still be taken."""
    stored = swap_requests_of(request.schedule).filter(pk=request.pk).first()
    if stored is None:
        raise NotFound("This swap request was deleted meanwhile.")
    if stored.state != SwapRequest.State.OPEN:
        who = f" by {stored.taken_by}" if stored.taken_by else ""
        raise Conflict(f"This swap request is {stored.get_state_display().lower()}{who} already.")
    if stored.ends_at <= now:
        raise Conflict("The time of this swap request is over.")
    return stored


def _close(request: SwapRequest, state: str, now: datetime) -> None:
    request.state, request.closed_at = state, now
    request.save(update_fields=["state", "closed_at", "taken_by", "override"])


def _write(request: SwapRequest) -> None:
    rivals = SwapRequest.objects.filter(
        schedule=request.schedule_id,
        requester=request.requester_id,
        state=SwapRequest.State.OPEN,
        starts_at__lt=request.ends_at,
        ends_at__gt=request.starts_at,
    )
    try:
        with transaction.atomic():
            request.save(force_insert=True)
    except IntegrityError as error:
        rival = rivals.first()
        if rival is None:
            raise
        text = f"You asked for this time already (number {rival.pk}). Cancel that request first."
        raise invalid({"starts_at": [text]}) from error


def _in_words(request: SwapRequest) -> str:
    zone = request.schedule.time_zone
    start, end = wall_time(request.starts_at, zone), wall_time(request.ends_at, zone)
    return f"from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} ({zone})"


def _record(
    request: SwapRequest, verb: str, changes: Changes, *, actor: User | None, ip: str | None
) -> None:
    action = f"swap_request.{verb}"
    record_change(actor=actor, action=action, entity=request, changes=changes, ip=ip)


def _tell(
    request: SwapRequest, user_ids: Iterable[int], subject: str, text: str, now: datetime
) -> None:
    """The one place where people hear of a request."""
    link = reverse("escalations:schedule", args=[request.schedule_id])
    queue_notices(
        notices=[
            NoticeRequest(
                user_id=user_id,
                subject=subject,
                text=text,
                link=link,
                cause=f"swap:{request.pk}:{request.state}",
            )
            for user_id in user_ids
        ],
        now=now,
    )
