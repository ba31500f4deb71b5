"""Pages of this app."""

from django.urls import path
from django.urls.resolvers import URLPattern

from incidents.web import (
    dashboard,
    incident,
    incident_actions,
    incident_list,
    integrations,
    services,
)
from incidents.web.deliveries import delivery_patterns
from incidents.web.heartbeats import heartbeat_patterns
from incidents.web.integration_page import integration_patterns
from incidents.web.maintenance import maintenance_patterns
from incidents.web.rules import rule_patterns
from incidents.web.security import security_patterns
from incidents.web.simulator import simulator_patterns
from incidents.web.storm import storm_patterns

app_name = "incidents"

incident_patterns: list[URLPattern] = [
    path("incidents/", incident_list.incident_list, name="list"),
    path("incidents/new/", incident_actions.new, name="new"),
    path("incidents/bulk/", incident_list.act_on_many, name="bulk"),
    path("incidents/<int:pk>/", incident.detail, name="detail"),
    path("incidents/<int:pk>/header/", incident.header, name="header"),
    path("incidents/<int:pk>/timeline/", incident.timeline, name="timeline"),
    path("incidents/<int:pk>/acknowledge/", incident_actions.acknowledge, name="acknowledge"),
    path("incidents/<int:pk>/unacknowledge/", incident_actions.unacknowledge, name="unacknowledge"),
    path("incidents/<int:pk>/resolve/", incident_actions.resolve, name="resolve"),
    path("incidents/<int:pk>/reassign/", incident_actions.reassign, name="reassign"),
    path("incidents/<int:pk>/notes/", incident_actions.note, name="note"),
]

service_patterns: list[URLPattern] = [
    path("services/", services.services, name="services"),
    path("services/new/", services.service_new, name="service_new"),
    path("services/<int:pk>/", services.service, name="service"),
    path("services/<int:pk>/edit/", services.service_edit, name="service_edit"),
    path(
        "services/<int:pk>/integrations/",
        integrations.integration_create,
        name="integration_create",
    ),
    path("integrations/<int:pk>/toggle/", integrations.toggle, name="integration_toggle"),
    path("integrations/<int:pk>/rotate/", integrations.rotate, name="integration_rotate"),
    path(
        "integrations/<int:pk>/delete/",
        integrations.integration_delete,
        name="integration_delete",
    ),
    path("integrations/<int:pk>/test/", integrations.send_test_alert, name="send_test_alert"),
]

urlpatterns: list[URLPattern] = [
    path("", dashboard.dashboard, name="dashboard"),
    path("dashboard/counters/", dashboard.counters, name="counters"),
    *incident_patterns,
    *service_patterns,
    *integration_patterns,
    *heartbeat_patterns,
    *delivery_patterns,
    *simulator_patterns,
    *rule_patterns,
    *security_patterns,
    *maintenance_patterns,
    *storm_patterns,
]
