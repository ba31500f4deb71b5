"""Escalating by hand: the next step, or a chosen one, now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from escalations.models import EscalationRun
from escalations.services.fallbacks import entry
from escalations.services.runs import DueRun, is_of_another_policy, save_runs, start_runs
from escalations.services.steps import set_timers
from incidents.maintenance import Maintenance
from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import unacknowledge_incidents
from incidents.services.maintenance_now import maintenance_now
from incidents.services.timeline import write_entries
from opsknight.errors import Conflict, InvalidInput, OpsKnightError
from opsknight.models import User
from opsknight.wake import Wake, wake
from realtime.publish import incidents_changed

# Somebody else who asks for the next step within this time pressed for the same one.
SAME_PRESS = timedelta(seconds=10)
Stage = EscalationRun.Stage
Status = Incident.Status


@dataclass(frozen=True)
class Escalated:
    """What became of the incidents that were to be escalated, by their ids."""

    ids: list[int]
    refused: dict[int, OpsKnightError]


def escalate_incidents(
    *,
    incidents: Iterable[Incident],
    step: int | None,
    actor: User | None,
    now: datetime,
    via: str = "",
) -> Escalated:
    """Page the next step of each incident at once, or step `step` (from 1); by the next pass.

    What is acknowledged is triggered again, whoever has it. A step that was asked for is taken
    whatever its urgency, hours and condition say. Afterwards the escalation goes on from there.
    `via` says the way of an answer as the timeline does ("by SMS").
    Incidents that cannot be escalated are left as they are; where none can, raises the reason of
    the first: Conflict (over, in maintenance, no steps, somebody else just did it) or InvalidInput
    (there is no such step).
    """
    with transaction.atomic():
        locked = _lock(incident.pk for incident in incidents)
        refused = _refusals(locked)
        if step is None:
            refused |= _just_pressed(locked, actor, via, now)
        going = [incident for incident in locked if incident.pk not in refused]
        due = []
        for one in _runs_of(going, now):
            try:
                due.append(_positioned(one, step, now))
            except OpsKnightError as error:
                refused[one.incident.pk] = error
        if refused and not due:
            raise next(iter(refused.values()))
        _restart_timers(due, actor, via, now)
    return Escalated([one.incident.pk for one in due], refused)


def _lock(incident_ids: Iterable[int]) -> list[Incident]:
    rows = Incident.objects.select_for_update(of=("self",), no_key=True)
    rows = rows.select_related("service")
    return list(rows.filter(pk__in=list(incident_ids)).order_by("pk"))


def _refusals(incidents: Iterable[Incident]) -> dict[int, OpsKnightError]:
    """Why some cannot be escalated, whatever their policy; 1 query."""
    rows = list(incidents)
    held = maintenance_now({incident.service_id for incident in rows})
    reasons = {incident.pk: _why_not(incident, held) for incident in rows}
    return {pk: Conflict(reason) for pk, reason in reasons.items() if reason}


def _just_pressed(
    incidents: Iterable[Incident], actor: User | None, via: str, now: datetime
) -> dict[int, OpsKnightError]:
    """Incidents that were escalated a moment ago; 1 query.

    By somebody else: the next step of a person who saw the page before that is the one that was
    taken. By the same person's answer to a page: a button pressed twice, or a message that came
    twice. On the page, where its effect is seen, a second press is a second step.
    """
    if actor is None:
        return {}
    pressed = TimelineEntry.objects.filter(
        incident__in=list(incidents),
        kind=TimelineEntry.Kind.ESCALATION_MOVED,
        at__gt=now - SAME_PRESS,
        actor__isnull=False,
    )
    if not via:
        pressed = pressed.exclude(actor=actor)
    return {
        entry.incident_id: Conflict(
            f"{entry.actor_label} escalated incident #{entry.incident_id} a moment ago. "
            "Choose a step to go further."
        )
        for entry in pressed
    }


def _why_not(incident: Incident, held: Mapping[int, Maintenance]) -> str:
    maintenance = held.get(incident.service_id)
    if not incident.is_open:
        return f"Incident #{incident.pk} is resolved. There is nothing to escalate any more."
    if maintenance is not None:
        return (
            f"{incident.service} is in maintenance until {maintenance.until:%Y-%m-%d %H:%M} UTC. "
            "End the maintenance, and step 1 is paged at once."
        )
    if incident.status not in (Status.TRIGGERED, Status.ACKNOWLEDGED):
        status = incident.get_status_display().lower()
        return (
            f"Incident #{incident.pk} is {status}. Only triggered and acknowledged ones escalate."
        )
    return ""


def _runs_of(incidents: list[Incident], now: datetime) -> list[DueRun]:
    """Where each incident goes on, or a fresh run where nothing is left to go on with."""
    runs = {r.incident_id: r for r in EscalationRun.objects.filter(incident__in=incidents)}
    ended = [i for i in incidents if not _goes_on(i, runs.get(i.pk))]
    fresh = start_runs(incidents=ended, before=runs, now=now)
    due = []
    for incident in incidents:
        run = fresh.get(incident.pk)
        if run is None:
            run = runs[incident.pk]
            run.pk, run.generation = None, run.generation + 1  # saved in place of the old one
        due.append(DueRun(incident, run, due_at=now, is_new=True))
    return due


def _goes_on(incident: Incident, run: EscalationRun | None) -> bool:
    if run is None or run.state != run.State.RUNNING or run.stage == Stage.RESOLVE:
        return False
    is_paused = incident.status == Status.ACKNOWLEDGED
    is_waiting = is_paused or run.next_at == incident.escalate_at
    return is_waiting and not is_of_another_policy(incident, run)


def _positioned(due: DueRun, step: int | None, now: datetime) -> DueRun:
    """Let the run stand at the wanted step, due now; raises Conflict or InvalidInput."""
    run, incident = due.run, due.incident
    if not run.steps:
        raise Conflict(_nobody_to_escalate_to(incident, run))
    if step is not None:
        if not 1 <= step <= len(run.steps):
            message = f"{run.policy_name} has {len(run.steps)} steps. Choose one of them."
            raise InvalidInput(message, fields={"step": [message]})
        run.stage, run.next_step = Stage.STEPS, step - 1
    run.is_by_hand, run.held_since, run.next_at = True, None, now
    return due


def _nobody_to_escalate_to(incident: Incident, run: EscalationRun) -> str:
    if run.state == run.State.NO_POLICY:
        return (
            f"{incident.service} has no escalation policy, so there is nobody to escalate to. "
            "Give it one first."
        )
    return (
        f"The policy {run.policy_name} has no steps, so there is nobody to escalate to. "
        "Add a step first."
    )


def _restart_timers(due: list[DueRun], actor: User | None, via: str, now: datetime) -> None:
    ids = [one.incident.pk for one in due]
    # What is triggered stays as it is there; only acknowledgements are withdrawn.
    unacknowledge_incidents(incident_ids=ids, actor=actor, source="escalated")
    save_runs(due=due)
    set_timers(due=due, now=now)
    write_entries(_entry(one, actor, via, now) for one in due)
    incidents_changed(ids)
    wake(Wake.ESCALATE)


def _entry(due: DueRun, actor: User | None, via: str, now: datetime) -> TimelineEntry:
    run = due.run
    is_step = run.stage == Stage.STEPS
    where = f"step {run.next_step + 1}" if is_step else "the final fallback"
    by = f" by {actor} {via}".rstrip() if actor else ""
    row = entry(
        due.incident.pk,
        TimelineEntry.Kind.ESCALATION_MOVED,
        f"escalated to {where}{by}",
        now,
        {"generation": run.generation},
    )
    row.actor, row.actor_label = actor, str(actor) if actor else ""
    return row
