"""Pages of this app."""

from django.urls import path
from django.urls.resolvers import URLPattern

from notifications.web import deliveries, notices, sandbox
from notifications.web.destinations import destination_patterns
from notifications.web.linking import linking_patterns
from notifications.web.links import link_patterns
from notifications.web.messages import message_patterns
from notifications.web.operations import operation_patterns
from notifications.web.preferences import preference_patterns
from notifications.web.replies import reply_patterns
from notifications.web.short_links import short_patterns
from notifications.web.slack import slack_patterns
from notifications.web.subscriptions import subscription_patterns
from notifications.web.team_reach import team_patterns
from notifications.web.times_off import time_off_patterns

app_name = "notifications"

urlpatterns: list[URLPattern] = [
    path("sandbox/", sandbox.sandbox, name="sandbox"),
    path("sandbox/<int:pk>/", sandbox.sandbox_message, name="sandbox_message"),
    path("notifications/", notices.notices, name="notices"),
    path("notifications/bell/", notices.bell, name="bell"),
    path("notifications/read/", notices.read_all, name="read_all"),
    path("notifications/<int:pk>/read/", notices.read, name="read"),
    path(
        "incidents/<int:incident_id>/deliveries/",
        deliveries.deliveries_panel,
        name="deliveries_panel",
    ),
    *preference_patterns,
    *time_off_patterns,
    *team_patterns,
    *destination_patterns,
    *message_patterns,
    *reply_patterns,
    *operation_patterns,
    *subscription_patterns,
    *link_patterns,
    *linking_patterns,
    *short_patterns,
    *slack_patterns,
]
