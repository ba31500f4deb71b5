"""Services, integrations, alerts, incidents and their timeline."""

from incidents.models.incident import Alert, Incident
from incidents.models.service import Integration, Service
from incidents.models.timeline import TimelineEntry

__all__ = ["Alert", "Incident", "Integration", "Service", "TimelineEntry"]
