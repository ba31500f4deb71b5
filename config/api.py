"""The REST API's URL map. Every address is taken with and without a slash at the end."""

from django.http import HttpRequest, JsonResponse
from django.urls import include, path, re_path
from django.urls.resolvers import URLPattern, URLResolver
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import SimpleRouter

from config.health import health
from escalations.api.announcements import AnnouncementViewSet
from escalations.api.calendar_feeds import FeedViewSet
from escalations.api.escalate import EscalateViewSet
from escalations.api.my_notices import OnCallPreferenceViewSet
from escalations.api.oncall import MyShiftsViewSet, OnCallViewSet
from escalations.api.overrides import OverrideViewSet
from escalations.api.policies import PolicyViewSet
from escalations.api.schedules import ScheduleViewSet
from escalations.api.swaps import SwapRequestViewSet
from escalations.api.temporaries import TemporaryViewSet
from incidents.api.changes import ChangeViewSet
from incidents.api.deliveries import DeliveryViewSet
from incidents.api.events import EventViewSet
from incidents.api.heartbeats import HeartbeatViewSet
from incidents.api.incidents import IncidentViewSet
from incidents.api.maintenance import WindowViewSet
from incidents.api.services import IntegrationViewSet, ServiceViewSet
from notifications.api.destinations import DestinationViewSet
from notifications.api.me import ContactMethodViewSet, PagingPlanViewSet, RuleViewSet
from notifications.api.messages import MessageViewSet
from notifications.api.push import PushSubscriptionViewSet
from notifications.api.subscriptions import SubscriptionViewSet
from notifications.api.times_off import AbsenceViewSet, PagingPreferencesViewSet
from opsknight.api.people import TeamViewSet, UserViewSet
from opsknight.errors import error_body


@csrf_exempt
def unknown_address(request: HttpRequest) -> JsonResponse:
    """There is nothing here, whatever the method."""
    return JsonResponse(error_body("not_found", "There is nothing at this address."), status=404)


OF_SCHEDULE = "schedules/(?P<schedule_pk>[0-9]{1,19})"
router = SimpleRouter()
# A redirect would turn a POST into a GET, so both forms are the address.
router.trailing_slash = "/?"
router.register("calendar-feeds", FeedViewSet, basename="calendar-feed")
router.register("changes", ChangeViewSet, basename="change")
router.register("deliveries", DeliveryViewSet, basename="delivery")
router.register("destinations", DestinationViewSet, basename="destination")
router.register("escalation-policies", PolicyViewSet, basename="escalation-policy")
router.register("event-subscriptions", SubscriptionViewSet, basename="event-subscription")
router.register("events", EventViewSet, basename="event")
router.register("heartbeats", HeartbeatViewSet, basename="heartbeat")
router.register("incidents", IncidentViewSet, basename="incident")
router.register("integrations", IntegrationViewSet, basename="integration")
router.register("maintenance-windows", WindowViewSet, basename="maintenance-window")
router.register("me/absences", AbsenceViewSet, basename="my-absence")
router.register("me/contact-methods", ContactMethodViewSet, basename="my-contact-method")
router.register("me/notification-rules", RuleViewSet, basename="my-notification-rule")
router.register("me/paging-plan", PagingPlanViewSet, basename="my-paging-plan")
router.register("me/push-subscriptions", PushSubscriptionViewSet, basename="my-push-subscription")
router.register("me/shifts", MyShiftsViewSet, basename="my-shift")
router.register("on-call", OnCallViewSet, basename="on-call")
router.register("on-call-announcements", AnnouncementViewSet, basename="on-call-announcement")
router.register("outgoing-messages", MessageViewSet, basename="outgoing-message")
router.register("schedules", ScheduleViewSet, basename="schedule")
router.register(f"{OF_SCHEDULE}/overrides", OverrideViewSet, basename="override")
router.register(f"{OF_SCHEDULE}/swap-requests", SwapRequestViewSet, basename="swap-request")
router.register(f"{OF_SCHEDULE}/temporary-schedules", TemporaryViewSet, basename="temporary")
router.register("services", ServiceViewSet, basename="service")
router.register("teams", TeamViewSet, basename="team")
router.register("users", UserViewSet, basename="user")

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(router.urls)),
    path("providers/", include("notifications.api.urls")),
    re_path(
        r"^v1/incidents/(?P<pk>[0-9]{1,19})/escalate/?$",
        EscalateViewSet.as_view({"post": "create"}),
        name="incident-escalate",
    ),
    re_path(
        r"^v1/me/paging-preferences/?$",
        PagingPreferencesViewSet.as_view({"get": "list", "patch": "partial_update"}),
        name="my-paging-preferences",
    ),
    re_path(
        r"^v1/me/on-call-preferences/?$",
        OnCallPreferenceViewSet.as_view({"get": "list", "patch": "partial_update"}),
        name="my-on-call-preferences",
    ),
    re_path(r"^schema/?$", SpectacularAPIView.as_view(), name="schema"),
    # The slash is part of it: the page's Content-Security-Policy is relaxed below /api/docs/.
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
    path("docs", RedirectView.as_view(pattern_name="api-docs", permanent=True)),
    re_path(r"^health/?$", health, name="health"),
]
