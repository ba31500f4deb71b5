"""What of an arrival is recorded: everything but its secrets."""

from incidents.intake import masking
from incidents.intake.arrivals import Arrival
from incidents.intake.events import ChangeEvent
from incidents.services.change_records import ChangeRow
from incidents.services.delivery_records import DeliveryRecord


def record_of(
    arrival: Arrival,
    verdict: str,
    *,
    reason: str = "",
    signature: str = "",
    change: ChangeEvent | None = None,
) -> DeliveryRecord:
    """The record of an arrival, with the change that it brought where it brought one."""
    owner = arrival.owner
    return DeliveryRecord(
        id=arrival.id,
        integration_id=owner.integration_id,
        kind=arrival.kind,
        via=arrival.via,
        received_at=arrival.received_at,
        headers=masking.mask_headers(arrival.headers, owner.key),
        query=masking.mask_query(arrival.query, owner.key),
        body=masking.mask_body(arrival.kind, arrival.body, owner.key),
        verdict=verdict,
        reason=reason,
        signature=signature,
        replay_of=arrival.replay_of,
        change=_row(arrival, change) if change is not None else None,
    )


def _row(arrival: Arrival, change: ChangeEvent) -> ChangeRow:
    return ChangeRow(
        service_id=arrival.owner.service_id,
        integration_id=arrival.owner.integration_id,
        delivery_id=arrival.id,
        received_at=arrival.received_at,
        event=change,
    )
