"""Who is on call at a time and in a range: questions about schedules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.models import Schedule
from escalations.oncall import Shift, gaps_between, hours_per_person, shifts_between, shifts_of
from escalations.selectors import (
    Chronicle,
    chronicles_of,
    duty_at,
    get_schedule_for,
    shifts_of_person,
    stretches_between,
    visible_schedules,
)
from opsknight.api.fields import Instant
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey, User
from opsknight.wall_clock import FIRST_YEAR, LAST_YEAR

LONGEST_RANGE = timedelta(days=366)
USUAL_RANGE = timedelta(days=30)


class NameSerializer(serializers.Serializer[Any]):
    """Somebody who is or was on call; the account may be gone."""

    id = serializers.IntegerField()
    name = serializers.CharField()


class ContactSerializer(NameSerializer):
    """The same with the address."""

    email = serializers.EmailField(allow_null=True, help_text="Null: the account is gone.")


class OnCallSerializer(serializers.Serializer[Any]):
    """Who is on call in one schedule at one moment."""

    schedule = serializers.IntegerField()
    at = Instant()
    user = ContactSerializer(allow_null=True, help_text="The first of `users`; null: nobody.")
    users = ContactSerializer(many=True, help_text="Everybody on call, in the order of layers.")
    until = Instant(
        allow_null=True, help_text="When somebody else is on call, or nobody; null: not in a year."
    )
    next_user = ContactSerializer(allow_null=True, help_text="The first of `next_users`.")
    next_users = ContactSerializer(many=True, help_text="Who is on call then.")


class ShiftSerializer(serializers.Serializer[Any]):
    """Somebody's time on call, without `ends_at` itself; cut at the range that was asked for."""

    starts_at = Instant()
    ends_at = Instant()
    user = NameSerializer()
    source = serializers.CharField(  # type: ignore[assignment]  # an attribute of fields, too
        help_text="The name of the layer, or what else it comes from."
    )
    kind = serializers.ChoiceField(choices=("layer", "override", "temporary"))


class OwnShiftSerializer(serializers.Serializer[Any]):
    """A shift of one person in one of the schedules."""

    schedule = NameSerializer()
    starts_at = Instant()
    ends_at = Instant()
    source = serializers.CharField()  # type: ignore[assignment]  # an attribute of fields, too
    kind = serializers.ChoiceField(choices=("layer", "override", "temporary"))


class GapSerializer(serializers.Serializer[Any]):
    """A time in which nobody is on call."""

    starts_at = Instant()
    ends_at = Instant()


class StretchSerializer(serializers.Serializer[Any]):
    """A time in which the same people are on call; nobody where `users` is empty."""

    starts_at = Instant()
    ends_at = Instant()
    users = NameSerializer(many=True)


class HoursSerializer(serializers.Serializer[Any]):
    """How long a person is on call, in real time."""

    user = NameSerializer()
    hours = serializers.FloatField()


def results_of(part: type[serializers.Serializer[Any]], name: str) -> Any:
    """The serializer of a whole list that is answered at once."""
    return type(name, (serializers.Serializer,), {"results": part(many=True)})


class MomentSerializer(serializers.Serializer[Any]):
    """The question of `on-call`."""

    at = Instant(required=False, help_text="ISO 8601; without it, now.")

    def validate_at(self, at: datetime) -> datetime:
        """Refuse years for which no zone has rules."""
        return check_year(at)


class RangeSerializer(serializers.Serializer[Any]):
    """The time that is asked about, at most a year."""

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python, so it cannot be written as a class attribute."""
        return {
            "from": Instant(required=False, help_text="ISO 8601; without it, now."),
            "to": Instant(
                required=False, help_text="Not included; without it, 30 days later. At most a year."
            ),
        }

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        """Fill in the defaults; refuse an empty range, one that is too long, and absurd years."""
        start = check_year(values.get("from") or timezone.now())
        end = check_year(values.get("to") or start + USUAL_RANGE)
        if end <= start:
            raise serializers.ValidationError({"to": ["The end must be later than the start."]})
        if end - start > LONGEST_RANGE:
            text = f"Ask for at most {LONGEST_RANGE.days} days at once."
            raise serializers.ValidationError({"to": [text]})
        return {"start": start, "end": end}


class ShiftRangeSerializer(RangeSerializer):
    """The same, for one person only."""

    def get_fields(self) -> dict[str, Any]:
        """The range and the person."""
        user = serializers.IntegerField(
            required=False, min_value=1, help_text="Only the shifts of this user."
        )
        return {**super().get_fields(), "user": user}

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        """The range, and the person where one is named."""
        return super().validate(values) | {"user": values.get("user")}


def check_year(at: datetime) -> datetime:
    """The instant; raises ValidationError in years for which no zone has rules."""
    if not FIRST_YEAR < at.year < LAST_YEAR:
        text = f"Use a date between the years {FIRST_YEAR} and {LAST_YEAR}."
        raise serializers.ValidationError(text)
    return at


def asked(request: Request, question: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The checked query of a request."""
    form = question(data=request.query_params.dict())
    form.is_valid(raise_exception=True)
    values: dict[str, Any] = form.validated_data
    return values


class OnCallQueries(ApiViewSet):
    """Questions about one schedule. Everybody may ask; the past is answered as it was."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = Schedule.objects.none()

    @extend_schema(
        summary="Who is on call", parameters=[MomentSerializer], responses=OnCallSerializer
    )
    @action(detail=True, methods=["get"], url_path="on-call")
    def on_call(self, request: Request, pk: str) -> Response:
        """Who is on call now, or `at` another time, until when, and who is next."""
        now = timezone.now()
        schedule = get_schedule_for(self.actor, int(pk))
        at = asked(request, MomentSerializer).get("at") or now
        chronicle = chronicles_of([schedule.pk], now=now, start=at)[schedule.pk]
        return Response(duties_in([chronicle], at)[0])

    @extend_schema(
        summary="Shifts of a schedule",
        parameters=[ShiftRangeSerializer],
        responses=results_of(ShiftSerializer, "Shifts"),
    )
    @action(detail=True, methods=["get"])
    def shifts(self, request: Request, pk: str) -> Response:
        """Who is on call in a range, with the layer or override by which."""
        query = asked(request, ShiftRangeSerializer)
        start, end, user_id = query["start"], query["end"], query["user"]
        chronicle = self._chronicle(pk, start)
        found = (
            shifts_between(chronicle.history, start, end)
            if user_id is None
            else shifts_of(chronicle.history, user_id, start, end)
        )
        rows = [{**_row_of(shift), "user": _named(chronicle, shift.user_id)} for shift in found]
        return _whole(rows, ShiftSerializer)

    @extend_schema(
        summary="Final schedule",
        parameters=[RangeSerializer],
        responses=results_of(StretchSerializer, "FinalSchedule"),
    )
    @action(detail=True, methods=["get"])
    def final(self, request: Request, pk: str) -> Response:
        """All of a range, cut wherever somebody comes or goes."""
        start, end = self._range()
        chronicle = self._chronicle(pk, start)
        rows = [
            {
                "starts_at": stretch.starts_at,
                "ends_at": stretch.ends_at,
                "users": [_named(chronicle, user_id) for user_id in stretch.user_ids],
            }
            for stretch in stretches_between(chronicle, start, end)
        ]
        return _whole(rows, StretchSerializer)

    @extend_schema(
        summary="Gaps of a schedule",
        parameters=[RangeSerializer],
        responses=results_of(GapSerializer, "Gaps"),
    )
    @action(detail=True, methods=["get"])
    def gaps(self, request: Request, pk: str) -> Response:
        """When nobody is on call in a range."""
        start, end = self._range()
        return _whole(gaps_between(self._chronicle(pk, start).history, start, end), GapSerializer)

    @extend_schema(
        summary="Hours per person",
        parameters=[RangeSerializer],
        responses=results_of(HoursSerializer, "HoursPerPerson"),
    )
    @action(detail=True, methods=["get"])
    def hours(self, request: Request, pk: str) -> Response:
        """How long everybody is on call in a range, most first."""
        start, end = self._range()
        chronicle = self._chronicle(pk, start)
        hours = hours_per_person(chronicle.history, start, end)
        rows = [
            {"user": _named(chronicle, pk), "hours": length / timedelta(hours=1)}
            for pk, length in sorted(hours.items(), key=lambda item: (-item[1], item[0]))
        ]
        return _whole(rows, HoursSerializer)

    def _range(self) -> tuple[datetime, datetime]:
        query = asked(self.request, RangeSerializer)
        return query["start"], query["end"]

    def _chronicle(self, pk: str, start: datetime) -> Chronicle:
        schedule = get_schedule_for(self.actor, int(pk))
        return chronicles_of([schedule.pk], now=timezone.now(), start=start)[schedule.pk]


class OnCallViewSet(ApiViewSet):
    """Who is on call in all schedules."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = Schedule.objects.none()
    serializer_class = OnCallSerializer
    pagination_class = OldestFirst

    @extend_schema(
        summary="Who is on call everywhere",
        parameters=[MomentSerializer],
        responses=OnCallSerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """Who is on call in each schedule, now or `at` another time."""
        now = timezone.now()
        at = asked(request, MomentSerializer).get("at") or now
        page = self.paginate_queryset(visible_schedules(self.actor)) or []
        chronicles = chronicles_of([schedule.pk for schedule in page], now=now, start=at)
        found = [chronicles[schedule.pk] for schedule in page if schedule.pk in chronicles]
        return self.get_paginated_response(duties_in(found, at))


class MyShiftsViewSet(ApiViewSet):
    """One's own shifts."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = Schedule.objects.none()
    serializer_class = OwnShiftSerializer

    @extend_schema(
        summary="Your shifts",
        parameters=[RangeSerializer],
        responses=results_of(OwnShiftSerializer, "OwnShifts"),
    )
    def list(self, request: Request) -> Response:
        """The shifts of whoever asks, in all schedules, by start."""
        query = asked(request, RangeSerializer)
        found = shifts_of_person(
            self.actor.pk, start=query["start"], end=query["end"], now=timezone.now()
        )
        rows = [
            {
                **_row_of(shift),
                "schedule": {
                    "id": chronicle.rota.schedule.pk,
                    "name": chronicle.rota.schedule.name,
                },
            }
            for chronicle, shift in found
        ]
        return _whole(rows, OwnShiftSerializer)


def duties_in(chronicles: Iterable[Chronicle], at: datetime) -> list[dict[str, Any]]:
    """Who is on call in each schedule, as it is answered; 1 query."""
    found = [(chronicle, duty_at(chronicle, at)) for chronicle in chronicles]
    ids = {i for _, duty in found for i in (*duty.user_ids, *duty.next_user_ids)}
    emails = dict(User.objects.filter(pk__in=ids).values_list("pk", "email"))
    answers = []
    for chronicle, duty in found:
        users, next_users = (
            [{**_named(chronicle, i), "email": emails.get(i)} for i in user_ids]
            for user_ids in (duty.user_ids, duty.next_user_ids)
        )
        facts = {
            "schedule": chronicle.rota.schedule.pk,
            "at": at,
            "user": next(iter(users), None),
            "users": users,
            "until": duty.until,
            "next_user": next(iter(next_users), None),
            "next_users": next_users,
        }
        answers.append(dict(OnCallSerializer(facts).data))
    return answers


def _named(chronicle: Chronicle, user_id: int) -> dict[str, Any]:
    return {"id": user_id, "name": chronicle.names.get(user_id, "deleted person")}


def _row_of(shift: Shift) -> dict[str, Any]:
    return {
        "starts_at": shift.starts_at,
        "ends_at": shift.ends_at,
        "source": shift.source,
        "kind": shift.kind,
    }


def _whole(rows: Iterable[Any], serializer: type[serializers.Serializer[Any]]) -> Response:
    return Response({"results": serializer(list(rows), many=True).data})
