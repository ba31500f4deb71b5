"""Which notices of one's shifts one wants."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from escalations.models import OnCallPreference
from escalations.services.shift_notices import preference_of, set_preference
from opsknight.api.fields import ModelSerializer
from opsknight.api.views import ApiViewSet
from opsknight.models import ApiKey


class OnCallPreferenceSerializer(ModelSerializer):
    """When you are told of your shifts, in the app and by e-mail."""

    class Meta:
        model = OnCallPreference
        fields = ("minutes_before", "tells_start", "tells_end")


class OnCallPreferenceViewSet(ApiViewSet):
    """Which notices of your shifts you want."""

    read_scope = ApiKey.Scope.SCHEDULES_READ
    write_scope = ApiKey.Scope.SCHEDULES_WRITE
    queryset = OnCallPreference.objects.none()
    serializer_class = OnCallPreferenceSerializer

    @extend_schema(summary="Get your notices of shifts", responses=OnCallPreferenceSerializer)
    def list(self, request: Request) -> Response:
        """What you chose, or the defaults."""
        return self.answer(preference_of(self.actor))

    @extend_schema(summary="Change your notices of shifts")
    def partial_update(self, request: Request) -> Response:
        """Change what is given."""
        present = preference_of(self.actor)
        values = {
            "minutes_before": present.minutes_before,
            "tells_start": present.tells_start,
            "tells_end": present.tells_end,
        } | self.parsed(partial=True)
        return self.answer(set_preference(user=self.actor, **values))
