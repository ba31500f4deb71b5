"""What a monitoring system does to one incident that it names by number, or writes about.

Everything that is known by its alias goes through the door instead.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

from django.db import transaction

from incidents.models import Incident, Integration
from incidents.services import lifecycle
from incidents.services.delivery_records import DeliveryRecord, insert_deliveries
from incidents.services.statements import run_all
from opsknight.errors import InvalidInput, NotAllowed

Action = Literal["acknowledge", "unacknowledge", "close", "delete", "notes"]
MAX_LABEL: Final = 200


def act_on_incident(
    *, incident: Incident, action: Action, record: DeliveryRecord, key: str, user: str, note: str
) -> None:
    """Do it, and record the delivery that asked for it; both or neither.

    Raises NotAllowed when the key is not the integration's any more, InvalidInput for a note
    without text, Conflict when the incident's state does not allow it.
    """
    if action == "notes" and not note:
        raise InvalidInput("Note can not be empty.", fields={"note": ["Note can not be empty."]})
    with transaction.atomic():
        sender = Integration.objects.filter(pk=record.integration_id, key=key, enabled=True).first()
        if sender is None:
            raise NotAllowed("This key is unknown or disabled.")
        who = f"{user} ({sender.name})" if user else sender.name
        became = _ACTS[action](incident, who[:MAX_LABEL])
        if note:
            text = note[: lifecycle.MAX_NOTE_LENGTH]
            lifecycle.add_note(
                incident_id=incident.pk, actor=None, text=text, source=who[:MAX_LABEL]
            )
        known_as = {"dedup_key": incident.dedup_key or "", "incident": incident.pk}
        record.results = [became | known_as]
        run_all([insert_deliveries([record])])


def _acknowledge(incident: Incident, who: str) -> dict[str, Any]:
    lifecycle.acknowledge_incidents(incident_ids=[incident.pk], actor=None, source=who)
    incident.refresh_from_db(fields=["status"])
    if incident.status == Incident.Status.ACKNOWLEDGED:
        return {"action": "acknowledged"}
    status = incident.get_status_display().lower()
    return {"action": "ignored", "reason": f"Incident #{incident.pk} is {status}."}


def _unacknowledge(incident: Incident, who: str) -> dict[str, Any]:
    lifecycle.unacknowledge_incident(incident_id=incident.pk, actor=None, source=who)
    return {"action": "unacknowledged"}


def _close(incident: Incident, who: str) -> dict[str, Any]:
    lifecycle.resolve_incidents(incident_ids=[incident.pk], actor=None, source=who)
    return {"action": "resolved"}


def _only_note(incident: Incident, who: str) -> dict[str, Any]:
    return {"action": "noted"}


_ACTS: Final[dict[Action, Callable[[Incident, str], dict[str, Any]]]] = {
    "acknowledge": _acknowledge,
    "unacknowledge": _unacknowledge,
    "close": _close,
    "delete": _close,  # its history stays
    "notes": _only_note,
}
