"""Pages of this app."""

from django.urls import path
from django.urls.resolvers import URLPattern

from notifications.web import deliveries, notices, preferences, sandbox
from notifications.web.destinations import destination_patterns
from notifications.web.links import link_patterns
from notifications.web.messages import message_patterns
from notifications.web.short_links import short_patterns
from notifications.web.slack import slack_patterns

app_name = "notifications"

RULES = "settings/notifications/rules"
METHOD = "settings/notifications/<int:pk>"

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
    path("settings/notifications/", preferences.contact_methods, name="contact_methods"),
    path(f"{RULES}/", preferences.add_rule, name="add_rule"),
    path(
        "settings/notifications/rules/<int:pk>/remove/", preferences.remove_rule, name="remove_rule"
    ),
    path(f"{METHOD}/remove/", preferences.remove_method, name="remove_method"),
    path(f"{METHOD}/enable/", preferences.enable_method, name="enable_method"),
    path(f"{METHOD}/disable/", preferences.disable_method, name="disable_method"),
    path(f"{METHOD}/secret/", preferences.method_secret, name="method_secret"),
    *destination_patterns,
    *message_patterns,
    *link_patterns,
    *short_patterns,
    *slack_patterns,
]
