"""Messages that a person sends: from the simulator, as a test alert, or once more.

They take the way of a vendor's message and are recorded like one. Whoever calls has checked that
the person may configure the integration.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from django.utils import timezone

from incidents.intake.arrivals import Arrival
from incidents.intake.key_owner import KeyOwner
from incidents.intake.keyring import owner_of
from incidents.intake.reception import Reception, receive_sync
from incidents.intake.signatures import signed_headers
from incidents.models import Delivery, Integration
from incidents.samples import Message, Values, fill, new_run, samples_of
from opsknight.errors import Conflict, OpsKnightError
from opsknight.models import User
from opsknight.services.audit import record_change

MAX_REPLAYED = 100  # at once


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message, and the headers with which it was signed (none: it was not)."""

    reception: Reception
    signed: dict[str, str]


@dataclass(slots=True)
class ReplayTally:
    """What became of many replays, by verdict; `left` are still to do."""

    verdicts: Counter[str] = field(default_factory=Counter)
    left: int = 0
    error: OpsKnightError | None = None  # what ended it early

    @property
    def count(self) -> int:
        """How many were replayed."""
        return self.verdicts.total()


def send_message(
    *, integration: Integration, message: Message, actor: User, ip: str | None = None
) -> Sent:
    """Send what the vendor would send, signed where a secret is stored.

    Raises Conflict when the integration is disabled, and TooManyRequests and Unavailable like the
    door; then nothing was kept.
    """
    _require_enabled(integration)
    owner = owner_of(integration)
    signed = signed_headers(owner, message.body.encode())
    reception = receive_sync(simulated_arrival(owner, message, signed))
    record_change(actor=actor, action="integration.simulated", entity=integration, ip=ip)
    return Sent(reception, signed)


def simulated_arrival(owner: KeyOwner, message: Message, signed: dict[str, str]) -> Arrival:
    """The message as it arrives; a signature that the person wrote stays as it is."""
    headers = {name.lower(): value for name, value in message.headers.items()}
    return Arrival(
        owner=owner,
        kind=owner.kind,
        body=message.body.encode(),
        headers={name.lower(): value for name, value in signed.items()} | headers,
        query=message.query,
        via=Delivery.Via.SIMULATOR,
    )


def send_test_alert(*, integration: Integration, actor: User, ip: str | None = None) -> Reception:
    """Send a sample of the integration's kind; it opens an incident and pages people.

    Raises Conflict when the integration is disabled, Unavailable when nothing was stored.
    """
    _require_enabled(integration)
    values = Values(
        run=new_run(),
        now=timezone.now(),
        summary=summary_of_test(integration, actor),
        key=integration.key,
    )
    message = fill(samples_of(integration.kind)[0], values)
    owner = owner_of(integration)
    signed = signed_headers(owner, message.body.encode())
    if not signed:
        # The vendor's secret is not stored yet; whether alerts reach people can be tried all the
        # same. The simulator shows what would become of the vendor's own message.
        owner = replace(owner, signature_required=False)
    reception = receive_sync(simulated_arrival(owner, message, signed))
    if reception.error is not None:
        raise reception.error
    record_change(actor=actor, action="integration.test_alert_sent", entity=integration, ip=ip)
    return reception


def summary_of_test(integration: Integration, actor: User) -> str:
    """The title of what is only a test, so that whoever is paged sees it."""
    return f"Test alert for {integration.service.name}, sent by {actor}"


def replay_delivery(*, delivery: Delivery, actor: User, ip: str | None = None) -> Reception:
    """Receive a recorded delivery once more, with the parser and rules of today.

    Raises Conflict when the integration is disabled, and TooManyRequests and Unavailable like the
    door; then nothing was kept.
    """
    _require_enabled(delivery.integration)
    reception = receive_sync(arrival_again(delivery, owner_of(delivery.integration)))
    record_change(
        actor=actor,
        action="delivery.replayed",
        entity=delivery,
        changes={"replay": [None, str(reception.delivery_id)]},
        ip=ip,
    )
    return reception


def replay_deliveries(
    *, integration: Integration, deliveries: list[Delivery], actor: User, ip: str | None = None
) -> ReplayTally:
    """Replay many of one integration, at most 100, in the order in which they came.

    Stops where the door would answer 429 or 503; the rest is `left`.
    """
    _require_enabled(integration)
    owner = owner_of(integration)
    tally = ReplayTally(left=len(deliveries))
    for delivery in sorted(deliveries, key=lambda d: d.pk)[:MAX_REPLAYED]:
        try:
            reception = receive_sync(arrival_again(delivery, owner))
        except OpsKnightError as error:
            tally.error = error
            break
        tally.verdicts[reception.verdict] += 1
        tally.left -= 1
    changes = {"replayed": [None, tally.count]}
    record_change(
        actor=actor, action="integration.replayed", entity=integration, changes=changes, ip=ip
    )
    return tally


def arrival_again(delivery: Delivery, owner: KeyOwner) -> Arrival:
    """A recorded delivery, as it comes in once more."""
    return Arrival(
        owner=owner,
        kind=delivery.kind,
        body=bytes(delivery.body),
        headers=delivery.headers,
        query=delivery.query,
        via=Delivery.Via.REPLAY,
        replay_of=delivery.pk,
    )


def _require_enabled(integration: Integration) -> None:
    if not integration.enabled:
        raise Conflict("This integration is disabled. Enable it, then send the message.")
