"""When every page of a cause failed for good, whoever caused it is told at once."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeAlias

from incidents.models import Incident
from notifications.models import Notification

# Gets (incident id, cause) pairs and the time, within the transaction that recorded the failures;
# holds the locks of these incidents.
Handler: TypeAlias = Callable[[set[tuple[int, str]], datetime], None]

_handlers: list[Handler] = []


def on_unreached(handler: Handler) -> None:
    """Register who moves on when a cause reached nobody; called once, when an app is ready."""
    if handler not in _handlers:
        _handlers.append(handler)


def tell_unreached(*, failed: Iterable[Notification], now: datetime) -> None:
    """Tell the handlers which causes of these failed pages reached nobody; two queries if any.

    The incidents are locked first: two workers that record the last two failures of a cause at
    once would otherwise each take the other's page for one that may still arrive. With a page all
    causes of its person are looked at: a way that waited for an earlier one was not queued again.
    """
    failed = [row for row in failed if row.incident_id is not None]
    if not failed:
        return
    ids = {row.incident_id for row in failed if row.incident_id is not None}
    rows = Incident.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    list(rows.values_list("pk"))
    lost = _causes_of(failed)
    State = Notification.State
    alive = (
        Notification.objects.filter(
            incident_id__in=ids,
            cause__in={cause for _, cause in lost},
        )
        .exclude(state__in=(State.FAILED, State.CANCELLED))
        .exclude(channel="in_app")
    )
    lost -= set(alive.values_list("incident_id", "cause"))
    for handler in _handlers if lost else []:
        handler(lost, now)


def _causes_of(failed: Sequence[Notification]) -> set[tuple[int, str]]:
    lost = {(row.incident_id, row.cause) for row in failed if row.incident_id is not None}
    people = {(row.incident_id, row.user_id) for row in failed if row.user_id is not None}
    if not people:
        return lost
    rows = Notification.objects.filter(
        incident_id__in={pk for pk, _ in people if pk is not None},
        user_id__in={pk for _, pk in people if pk is not None},
        reason=Notification.Reason.ESCALATION,
    ).values_list("incident_id", "user_id", "cause")
    return lost | {
        (incident_id, cause)
        for incident_id, user_id, cause in rows.distinct()
        if incident_id is not None and (incident_id, user_id) in people
    }
