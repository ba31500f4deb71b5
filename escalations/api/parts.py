"""What schedules are made of in the API: people, turns, restrictions, layers."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from escalations.models import ScheduleLayer
from escalations.models.schedule import weekdays_in
from escalations.oncall import MAX_LENGTH
from escalations.services.layers import MAX_RESTRICTIONS, MAX_TURNS
from opsknight.api.fields import Instant, Part, Text
from opsknight.models import User


@extend_schema_field(
    {
        "type": "array",
        "items": {
            "oneOf": [
                {"type": "integer"},
                {"type": "array", "items": {"type": "integer"}},
            ],
            "nullable": True,
        },
        "example": [7, [8, 9]],
    }
)
class TurnsField(serializers.Field[Any, Any, Any, Any]):
    """User ids in the order of their turns, a list of ids for people who are on call together.

    The same person may have several turns. Answers null for a turn whose people were deleted: it
    passes to the next one; leave it out when you send the list back.
    """

    default_error_messages: ClassVar[dict[str, Any]] = {
        "not_a_list": "Use a list of user ids in the order of their turns.",
        "too_many": "Name at most {most} turns.",
    }

    def to_internal_value(self, data: Any) -> tuple[tuple[int, ...], ...]:
        """The ids of each turn; raises ValidationError that names the turn."""
        if not isinstance(data, list):
            self.fail("not_a_list")
        if len(data) > MAX_TURNS:
            self.fail("too_many", most=MAX_TURNS)
        turns, wrong = [], {}
        for place, turn in enumerate(data):
            people = turn if isinstance(turn, list) else [turn]
            if all(type(user_id) is int and user_id > 0 for user_id in people):
                turns.append(tuple(people))
            else:
                wrong[str(place)] = ["Use the id of a user, or a list of ids."]
        if wrong:
            raise serializers.ValidationError(wrong)
        return tuple(turns)

    def to_representation(self, members: Any) -> list[int | list[int] | None]:
        """The ids of the people of a layer."""
        turns: dict[int, list[int]] = {}
        for member in members.all():
            turns.setdefault(member.turn, [])
            turns[member.turn] += [member.user_id] if member.user_id is not None else []
        return [_alone(people) for people in turns.values()]


def _alone(people: list[int]) -> int | list[int] | None:
    return people if len(people) > 1 else next(iter(people), None)


class WeekdaysField(serializers.ListField):
    """Days of the week, 0 is Monday."""

    child = serializers.IntegerField(min_value=0, max_value=6)

    def to_representation(self, bits: Any) -> list[int]:
        """The days in order."""
        return sorted(weekdays_in(bits))


class RestrictionSerializer(Part):
    """A time of the week in which the layer is active, on the clock of the schedule."""

    weekdays = WeekdaysField(
        max_length=7, help_text="On which it begins, 0 is Monday. Empty: never."
    )
    starts = serializers.TimeField(format="%H:%M")
    ends = serializers.TimeField(
        format="%H:%M", help_text="Not later than `starts`: on the next day; the same: 24 hours."
    )


class LayerSerializer(Part):
    """A rotation of people. The first layer of the list that has somebody on call decides."""

    id = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        help_text="Of a layer of this schedule: it stays the same layer, and whoever is on call in "
        "it still is. Without it the layer is new: its first turn is at `starts_at`.",
    )
    name = Text(max_length=200)
    source = serializers.ChoiceField(  # type: ignore[assignment]  # an attribute of fields, too
        choices=ScheduleLayer.Source.choices, default=ScheduleLayer.Source.ROTATION
    )
    calendar_url = Text(
        write_only=True,
        required=False,
        allow_blank=True,
        max_length=2000,
        help_text="Of a layer of the source `calendar`. Never answered: it may hold a secret.",
    )
    calendar_error = serializers.CharField(read_only=True)
    rotation = serializers.ChoiceField(choices=ScheduleLayer.Rotation.choices)
    rotation_length = serializers.IntegerField(
        default=1, help_text=f"Hours, days, weeks or months that a turn lasts, 1 to {MAX_LENGTH}."
    )
    shift_hours = serializers.IntegerField(
        default=None,
        allow_null=True,
        help_text="Hours on call at the start of each turn, nobody after that; null: all of it.",
    )
    starts_at = Instant(
        help_text="The handoff to the first member; every other one is at the same wall-clock "
        "time in the schedule's zone."
    )
    begins_at = Instant(
        allow_null=True, default=None, help_text="Nobody is on call before. Null: always was."
    )
    ends_at = Instant(allow_null=True, default=None, help_text="Null: never.")
    members = TurnsField()
    restrictions = RestrictionSerializer(  # type: ignore[call-arg]  # many=True passes it on
        many=True, required=False, max_length=MAX_RESTRICTIONS, help_text="None: always active."
    )
    skips_inactive = serializers.BooleanField(
        default=False, help_text="A turn without any active time is nobody's turn."
    )
    is_together = serializers.BooleanField(
        default=False, help_text="On call at the same time as the layer above it."
    )


class PersonSerializer(serializers.ModelSerializer[User]):
    """Somebody, in short."""

    class Meta:
        model = User
        fields = ("id", "name", "email")
        read_only_fields = fields
