"""Services, integrations, alerts, incidents and their timeline."""

from incidents.models.incident import Alert, Incident, Participant
from incidents.models.service import Integration, Service
from incidents.models.timeline import TimelineEntry

__all__ = ["Alert", "Incident", "Integration", "Participant", "Service", "TimelineEntry"]
