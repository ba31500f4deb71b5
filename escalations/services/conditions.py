"""Steps that hold until their incident got many alerts in a short time."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from escalations.models import ConditionSnapshot
from escalations.services.runs import DueRun, hold
from escalations.snapshots import is_for
from incidents.models import TimelineEntry
from incidents.services.timeline import build_entry

# Counts no further than it matters: a storm may hold a hundred thousand.
_COUNT = """
SELECT asked.id, (
  SELECT count(*) FROM (
    SELECT 1 FROM incidents_alert alert
    WHERE alert.incident_id = asked.id AND alert.action = 'trigger'
      AND alert.received_at > asked.since
    LIMIT asked.enough
  ) AS few
)
FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[]) AS asked (id, since, enough)
"""


def hold_back(
    *, ready: Sequence[DueRun], now: datetime
) -> tuple[list[DueRun], list[TimelineEntry]]:
    """Those whose step may be taken now, and what to say of the others, which look again later.

    One query, none where no step has a condition. What is not new is not said again.
    """
    asked = {one.incident.pk: c for one in ready if (c := _condition_of(one)) is not None}
    counts = _count_alerts(asked, now) if asked else {}
    going, entries = [], []
    for one in ready:
        condition = asked.get(one.incident.pk)
        count = counts.get(one.incident.pk, 0)
        if condition is None or count > condition["alerts"]:
            going.append(one)
        elif hold(one.run, now=now):
            entries.append(_entry(one, condition, count, now))
    return going, entries


def _condition_of(due: DueRun) -> ConditionSnapshot | None:
    step = due.step
    if step is None or due.run.is_by_hand or not is_for(step, due.incident.urgency):
        return None
    return step.get("condition")


def _count_alerts(asked: dict[int, ConditionSnapshot], now: datetime) -> dict[int, int]:
    since = [now - timedelta(minutes=condition["minutes"]) for condition in asked.values()]
    enough = [condition["alerts"] + 1 for condition in asked.values()]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [list(asked), since, enough])
        return dict(cursor.fetchall())


def _entry(due: DueRun, condition: ConditionSnapshot, count: int, now: datetime) -> TimelineEntry:
    message = (
        f"Step {due.run.next_step + 1} waits until more than {condition['alerts']} alerts came "
        f"within {condition['minutes']} min; it is {count} now"
    )
    return build_entry(
        incident_id=due.incident.pk,
        kind=TimelineEntry.Kind.ESCALATION_MOVED,
        message=message,
        now=now,
        data={"generation": due.run.generation, "holds": due.run.next_step + 1},
    )
