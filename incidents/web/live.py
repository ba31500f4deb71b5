"""Incidents on open pages: one row, rendered once, for everybody who may see it."""

from django.template.loader import render_to_string

from incidents.models import Incident
from realtime.topics import LiveMessage

ROW_TEMPLATE = "incidents/row.html"


def render_incidents(incident_ids: list[int]) -> list[LiveMessage]:
    """One event per incident that still exists; three queries whatever the number."""
    incidents = Incident.objects.select_related("service", "service__team", "assignee", "team")
    incidents = incidents.prefetch_related("participants")
    return [message_of(incident) for incident in incidents.filter(pk__in=incident_ids)]


def message_of(incident: Incident) -> LiveMessage:
    """The event of one incident: its row and what pages need to decide about it."""
    return LiveMessage(
        channels=channels_of(incident),
        event="incident",
        data={
            "id": incident.pk,
            "status": incident.status,
            "version": incident.version,
            "row": render_to_string(ROW_TEMPLATE, {"incident": incident}),
        },
    )


def channels_of(incident: Incident) -> tuple[str, ...]:
    """Who may see it, as channels: the same rule as `selectors.visible_incidents`."""
    team_id = incident.service.team_id
    teams = {team for team in (team_id, incident.team_id) if team is not None}
    channels = [f"team-{team}" for team in sorted(teams)]
    people = {participant.user_id for participant in incident.participants.all()}
    if incident.assignee_id is not None:
        people.add(incident.assignee_id)
    channels += [f"user-{user}" for user in sorted(people)]
    if incident.visibility == Incident.Visibility.PUBLIC:
        channels.append("responders")
        if team_id is None:
            channels.append("everybody")
    return tuple(channels)
