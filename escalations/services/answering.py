"""Escalating at the word of somebody who answers a page."""

from datetime import datetime

from escalations.services.manual import escalate_incidents
from incidents.models import Incident
from opsknight.models import User


def escalate_by_answer(incident: Incident, actor: User, via: str, now: datetime) -> None:
    """Page the next step now; raises Conflict where there is none or somebody just did it.

    Whoever answers may act on the incident: that was asked already.
    """
    escalate_incidents(incidents=[incident], step=None, actor=actor, via=via, now=now)
