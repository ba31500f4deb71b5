"""One's own quiet hours, digest and absences."""

from __future__ import annotations

from typing import Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from notifications.models import Absence, PagingPreferences
from notifications.selectors import absences_of, get_absence_for
from notifications.services.absences import add_absence, end_absence
from notifications.services.paging_preferences import PreferenceValues, set_paging_preferences
from notifications.services.planning import preferences_of
from opsknight.api.fields import ModelSerializer
from opsknight.api.pagination import OldestFirst
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class PagingPreferencesSerializer(ModelSerializer):
    """Your quiet hours, on the clock of your time zone, and how low urgency comes.

    `quiet_up_to`: up to which urgency pages wait for the end of the quiet hours; empty: none.
    `quiet_weekdays`: on which they begin, 0 is Monday; empty: every day.
    """

    quiet_weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6), required=False, max_length=7
    )

    class Meta:
        model = PagingPreferences
        fields = (
            "quiet_up_to", "quiet_from", "quiet_until", "quiet_weekdays", "digest", "digest_at",
        )  # fmt: skip


class PagingPreferencesViewSet(ApiViewSet):
    """Your quiet hours and digest."""

    read_scope = ApiKey.Scope.USERS_READ
    write_scope = ApiKey.Scope.USERS_WRITE
    queryset = PagingPreferences.objects.none()
    serializer_class = PagingPreferencesSerializer

    @extend_schema(summary="Get your paging preferences", responses=PagingPreferencesSerializer)
    def list(self, request: Request) -> Response:
        """What you chose; empty where nothing was."""
        return self.answer(preferences_of(self.actor))

    @extend_schema(summary="Change your paging preferences")
    def partial_update(self, request: Request) -> Response:
        """Change what is given."""
        values = cast(PreferenceValues, self.parsed(partial=True))
        chosen = set_paging_preferences(
            user=self.actor, values=values, now=timezone.now(), ip=self.ip
        )
        return self.answer(chosen)


class AbsenceSerializer(ModelSerializer):
    """A time in which a substitute is paged in your place."""

    class Meta:
        model = Absence
        fields = ("id", "begins_at", "ends_at", "substitute", "note")


@extend_schema_view(list=extend_schema(summary="List your absences"))
class AbsenceViewSet(ApiViewSet):
    """Your absences that are not over."""

    read_scope = ApiKey.Scope.USERS_READ
    write_scope = ApiKey.Scope.USERS_WRITE
    queryset = Absence.objects.none()
    serializer_class = AbsenceSerializer
    pagination_class = OldestFirst

    def list(self, request: Request) -> Response:
        """What is under way and to come."""
        return self.page_of(absences_of(self.actor, now=timezone.now()))

    @extend_schema(summary="Get an absence of yours")
    def retrieve(self, request: Request, pk: str) -> Response:
        """One absence of yours."""
        return self.answer(get_absence_for(self.actor, int(pk)))

    @extend_schema(summary="Add an absence", responses={201: AbsenceSerializer})
    def create(self, request: Request) -> Response:
        """Name who is paged in your place; the substitute is told."""
        values: dict[str, Any] = self.parsed()
        absence = add_absence(user=self.actor, now=timezone.now(), ip=self.ip, **values)
        return self.answer(absence, status=201)

    @extend_schema(summary="End an absence")
    def destroy(self, request: Request, pk: str) -> Response:
        """Be back now, or take back an absence to come."""
        end_absence(user=self.actor, pk=int(pk), now=timezone.now(), ip=self.ip)
        return Response(status=204)
