"""The engine: finds incidents whose timer is due and takes their next step.

`Incident.escalate_at` is the only timer. The engine claims due rows with SKIP LOCKED, so any number
of engines may run; whoever acknowledges waits for a claim of milliseconds and then stops the timer.

A pass takes one step per incident and sets the timer anew, in the run (`next_at`) as well. Whoever
else sets the timer (open, un-acknowledge, reopen) thereby makes the two differ, which tells the
engine to start at step 1 again, with a fresh copy of the policy; see `runs.load_runs`.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from django.db import OperationalError, transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Now
from django.utils import timezone

from escalations.models import EnginePass, EscalationRun
from escalations.services.fallbacks import page_fallback
from escalations.services.steps import take_steps
from incidents.models import Incident, Service, TimelineEntry
from incidents.services.maintenance_now import maintenance_now
from incidents.services.timeline import build_entry, write_entries
from opsknight.models import Team
from opsknight.rows import fetch_rows, partly_read
from realtime.publish import incidents_changed

logger = logging.getLogger(__name__)

FIRST_RETRY = timedelta(seconds=30)
LAST_RETRY = timedelta(minutes=15)
# How exact the noted time of the last pass is.
PASS_RESOLUTION = timedelta(seconds=2)
_IS_DUE = "SELECT 1 FROM incidents_incident WHERE escalate_at <= statement_timestamp() LIMIT 1"
# Values: now or None, services in maintenance, limit.
_CLAIM = """
SELECT i.id, i.service_id, i.escalate_at, i.urgency, i.assignee_id, i.escalation_policy_id,
    s.name AS service_name, s.escalation_policy_id AS service_policy_id,
    s.team_id AS service_team_id, t.name AS service_team_name, statement_timestamp() AS database_now
FROM incidents_incident i
JOIN incidents_service s ON s.id = i.service_id
LEFT JOIN opsknight_team t ON t.id = s.team_id
WHERE i.status = 'triggered' AND i.escalate_at <= COALESCE(%s, statement_timestamp())
    AND i.service_id <> ALL(%s::bigint[])
ORDER BY i.escalate_at
LIMIT %s
FOR NO KEY UPDATE OF i SKIP LOCKED
"""

if TYPE_CHECKING:

    class _DueIncident(Incident):
        """What `_CLAIM` reads beside the columns of an incident."""

        service_name: str
        service_policy_id: int | None
        service_team_id: int | None
        service_team_name: str
        database_now: datetime


def run_due_steps(*, now: datetime | None = None, limit: int = 100) -> int:
    """Take one step of up to `limit` due incidents, the longest due first; return how many.

    `now`: what counts as due; None: the database's clock. All or nothing, except that an incident
    whose step raises is set aside: it alone is tried again later, with growing pauses.
    """
    with transaction.atomic():
        incidents, at = _claim(now, limit)
        if not incidents:
            return 0
        try:
            with transaction.atomic():
                take_steps(incidents=incidents, now=at)
        except OperationalError:
            raise  # a deadlock, a lost connection: no incident's fault, the next pass goes on
        except Exception:
            logger.exception("A batch of %s incidents failed; taking them alone.", len(incidents))
            for incident in incidents:
                _take_alone(incident, at)
        incidents_changed([incident.pk for incident in incidents])
    return len(incidents)


def is_anything_due() -> bool:
    """Whether another pass may find something; cheaper than a pass that does not."""
    return bool(fetch_rows(_IS_DUE))


def _claim(now: datetime | None, limit: int) -> tuple[Sequence[Incident], datetime]:
    """Lock due incidents that no other engine has in hand; FOR NO KEY UPDATE lets alerts join.

    Services in maintenance are passed over; their timers move to its end, where step 1 is next.
    """
    values = [now, list(maintenance_now(now=now)), limit]
    due = cast("list[_DueIncident]", list(Incident.objects.raw(_CLAIM, values)))
    at = now or (due[0].database_now if due else timezone.now())
    return [_with_service(incident) for incident in due], at


def _with_service(incident: "_DueIncident") -> Incident:
    """With what was read beside it; the rest is read when somebody asks for it."""
    incident.service = partly_read(
        Service,
        id=incident.service_id,
        name=incident.service_name,
        escalation_policy_id=incident.service_policy_id,
        team_id=incident.service_team_id,
    )
    if incident.service_team_id is not None:
        incident.service.team = partly_read(
            Team, id=incident.service_team_id, name=incident.service_team_name
        )
    return incident


def _take_alone(incident: Incident, now: datetime) -> None:
    try:
        with transaction.atomic():
            take_steps(incidents=[incident], now=now)
    except OperationalError:
        raise
    except Exception as error:
        logger.exception("The escalation of incident %s failed.", incident.pk)
        _set_aside(incident, error, now)


def _set_aside(incident: Incident, error: Exception, now: datetime) -> None:
    """Try this incident again later; the first time, page its fallback meanwhile."""
    failures = _count_failures(incident)
    pause = min(FIRST_RETRY * 2 ** min(failures, 10), LAST_RETRY)
    again_at = now + pause
    entries = [
        build_entry(
            incident_id=incident.pk,
            kind=TimelineEntry.Kind.NOBODY_TO_PAGE,
            message=f"Nobody to page, because the step failed ({type(error).__name__}, see the "
            f"log of the engine); it is tried again in {pause.total_seconds():.0f} s",
            now=now,
            # By which the auditor knows what was set aside and has not moved since.
            data={"failure": failures + 1, "again_at": again_at.isoformat()},
        )
    ]
    if failures == 0:
        entries += _page_fallback(incident, now)
    write_entries(entries)
    # A run that waited for this timer goes on waiting; one that was to start anew still is.
    EscalationRun.objects.filter(incident=incident, next_at=incident.escalate_at).update(
        next_at=again_at
    )
    Incident.objects.filter(pk=incident.pk).update(
        escalate_at=again_at, updated_at=now, version=F("version") + 1
    )


def _count_failures(incident: Incident) -> int:
    """How often a step failed since the incident was given back last: then nobody has it again."""
    entries = TimelineEntry.objects.filter(incident=incident)
    failures = entries.filter(kind=TimelineEntry.Kind.NOBODY_TO_PAGE, data__has_key="failure")
    given_back = entries.filter(kind=TimelineEntry.Kind.UNACKNOWLEDGED).aggregate(at=Max("at"))
    if given_back["at"] is not None:
        failures = failures.filter(at__gt=given_back["at"])
    return failures.count()


def _page_fallback(incident: Incident, now: datetime) -> list[TimelineEntry]:
    try:
        with transaction.atomic():
            return page_fallback(incident=incident, cause=f"failed:{now.timestamp():.0f}", now=now)
    except OperationalError:
        raise
    except Exception:
        logger.exception("The fallback of incident %s failed as well.", incident.pk)
        return []


# The last pass


def record_pass(*, steps: int = 0) -> None:
    """Note that the engine finished a pass just now and took so many steps.

    A pass without a step writes at most every 2 seconds.
    """
    row = EnginePass.objects.filter(pk=EnginePass.ONLY)
    # A time to come was noted before the clock was set back; it would hide that the engine stands.
    is_stale = Q(at__lt=Now() - PASS_RESOLUTION) | Q(at__gt=Now())
    worth_noting = row if steps else row.filter(is_stale)
    if worth_noting.update(at=Now(), steps_total=F("steps_total") + steps) or row.exists():
        return
    first = EnginePass(at=timezone.now(), steps_total=steps)
    EnginePass.objects.bulk_create([first], ignore_conflicts=True)


def last_pass_at() -> datetime | None:
    """When the engine last finished a pass, to 2 seconds; None: never. Kept in the database alone,
    so a wiped Redis changes nothing."""
    return EnginePass.objects.values_list("at", flat=True).first()
