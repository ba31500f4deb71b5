"""Services, integrations, deliveries, alerts, incidents and their timeline."""

from incidents.models.delivery import Change, Delivery
from incidents.models.heartbeat import Heartbeat, HeartbeatSweep
from incidents.models.incident import Alert, Incident, Participant
from incidents.models.maintenance import MaintenanceWindow
from incidents.models.rules import EventTemplate, Route
from incidents.models.service import Integration, Service
from incidents.models.storm import StormMember
from incidents.models.timeline import TimelineEntry

__all__ = [
    "Alert",
    "Change",
    "Delivery",
    "EventTemplate",
    "Heartbeat",
    "HeartbeatSweep",
    "Incident",
    "Integration",
    "MaintenanceWindow",
    "Participant",
    "Route",
    "Service",
    "StormMember",
    "TimelineEntry",
]
