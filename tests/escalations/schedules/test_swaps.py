"""Swap requests: asked, taken, cancelled, over."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from escalations.models import Override, Schedule, ScheduleLayer, SwapRequest
from escalations.services.swaps import (
    MAX_ASKED_A_DAY,
    ask_for_swap,
    cancel_swap,
    expire_swaps,
    take_swap,
)
from notifications.models import Notification
from opsknight.errors import Conflict, InvalidInput, NotAllowed
from opsknight.models import User
from tests.escalations.schedules.asking import days, shifts
from tests.factories import TeamFactory, UserFactory


@pytest.fixture
def dan(dan: User, schedule: Schedule) -> User:
    """Of the schedule's team, without turns of his own."""
    schedule.team = TeamFactory(members=[dan])
    schedule.save(update_fields=["team"])
    return dan


@pytest.fixture
def ask(layer: ScheduleLayer, ben: User, now: datetime) -> Callable[..., SwapRequest]:
    """Ben, on call now for an hour and again in 49 hours, asks about some hours from now."""

    def make(start: float = 0, end: float = 100) -> SwapRequest:
        return ask_for_swap(
            schedule=layer.schedule,
            requester=ben,
            starts_at=now + timedelta(hours=start),
            ends_at=now + timedelta(hours=end),
            now=now,
            note="Dentist",
        )

    return make


def told() -> set[tuple[str, str]]:
    rows = Notification.objects.filter(incident=None).values_list("user__name", "subject")
    return {(name or "", subject) for name, subject in rows}


def test_asking_tells_the_others_of_the_schedule(ask: Callable[..., SwapRequest]) -> None:
    request = ask()

    assert request.state == "open"
    assert told() == {
        ("Ann", "Ben asks for a swap in Primary"),
        ("Cid", "Ben asks for a swap in Primary"),
    }


def test_taking_makes_an_override_and_tells_both(
    ask: Callable[..., SwapRequest], layer: ScheduleLayer, dan: User, now: datetime
) -> None:
    request = ask()
    Notification.objects.all().delete()

    taken = take_swap(request=request, taker=dan, now=now)

    assert (taken.state, taken.taken_by) == ("taken", dan)
    assert days(layer.schedule, now) == ["Dan", "Cid", "Ann", "Dan"]
    assert told() == {
        ("Ben", "Dan takes over from Ben in Primary"),
        ("Dan", "Dan takes over from Ben in Primary"),
    }


def test_swapped_shifts_keep_their_borders(
    ask: Callable[..., SwapRequest], layer: ScheduleLayer, dan: User, now: datetime
) -> None:
    take_swap(request=ask(), taker=dan, now=now)

    assert shifts(layer.schedule, now, now + timedelta(hours=80)) == [
        ("Dan", 0, 1),
        ("Cid", 1, 25),
        ("Ann", 25, 49),
        ("Dan", 49, 73),
        ("Cid", 73, 80),
    ]


def test_request_can_be_taken_once(
    ask: Callable[..., SwapRequest], dan: User, ann: User, now: datetime
) -> None:
    request = ask()
    take_swap(request=request, taker=dan, now=now)

    with pytest.raises(Conflict, match="taken by Dan already"):
        take_swap(request=request, taker=ann, now=now)

    assert Override.objects.count() == 1


def test_strangers_to_the_schedule_take_nothing(
    ask: Callable[..., SwapRequest], now: datetime
) -> None:
    request = ask()

    with pytest.raises(NotAllowed, match="Ask a responder"):
        take_swap(request=request, taker=UserFactory(name="Eve"), now=now)

    assert not Override.objects.exists()


def test_nobody_takes_their_own_shifts(
    ask: Callable[..., SwapRequest], ben: User, now: datetime
) -> None:
    with pytest.raises(Conflict, match="your own shifts"):
        take_swap(request=ask(), taker=ben, now=now)


@pytest.mark.parametrize(
    ("start", "end", "field"), [(2, 24, "starts_at"), (-9, -1, "ends_at"), (5, 2, "ends_at")]
)
def test_only_own_shifts_ahead_can_be_asked_about(
    ask: Callable[..., SwapRequest], start: int, end: int, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        ask(start, end)

    assert list(refused.value.fields) == [field]
    assert not SwapRequest.objects.exists()


def test_the_same_time_is_asked_about_once(ask: Callable[..., SwapRequest]) -> None:
    request = ask()

    with pytest.raises(InvalidInput, match=f"number {request.pk}"):
        ask(48, 60)


def test_nobody_is_asked_again_and_again(
    ask: Callable[..., SwapRequest], ben: User, now: datetime
) -> None:
    for _ in range(MAX_ASKED_A_DAY):
        cancel_swap(request=ask(), actor=ben, now=now)

    with pytest.raises(Conflict, match="tomorrow"):
        ask()


def test_requester_and_responders_may_cancel_nobody_else(
    ask: Callable[..., SwapRequest], ben: User, bob: User, dan: User, now: datetime
) -> None:
    request = ask()
    with pytest.raises(NotAllowed):
        cancel_swap(request=request, actor=dan, now=now)
    cancel_swap(request=request, actor=ben, now=now)

    cancel_swap(request=ask(), actor=bob, now=now)

    assert set(SwapRequest.objects.values_list("state", flat=True)) == {"cancelled"}


def test_cancelled_request_cannot_be_taken(
    ask: Callable[..., SwapRequest], ben: User, dan: User, now: datetime
) -> None:
    request = ask()
    cancel_swap(request=request, actor=ben, now=now)

    with pytest.raises(Conflict, match="cancelled already"):
        take_swap(request=request, taker=dan, now=now)


def test_request_whose_time_is_over_expires_once(
    ask: Callable[..., SwapRequest], ben: User, now: datetime
) -> None:
    request = ask(0, 1)
    Notification.objects.all().delete()
    later = now + timedelta(hours=1)

    assert (expire_swaps(now=later), expire_swaps(now=later)) == (1, 0)

    request.refresh_from_db()
    assert (request.state, request.closed_at) == ("expired", later)
    assert told() == {("Ben", "Your swap request in Primary is over")}
