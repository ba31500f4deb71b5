"""When every page of the last step failed for good, the next one does not wait for its delay."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import F

from escalations.models import EscalationRun
from escalations.services.fallbacks import page_fallback
from incidents.models import Incident, TimelineEntry
from incidents.services.timeline import build_entry, write_entries
from opsknight.wake import Wake, wake

Stage = EscalationRun.Stage


def go_on_at_once(lost: set[tuple[int, str]], now: datetime) -> None:
    """Take the next step now where the last one, by its cause, reached nobody in the end.

    At the end of a round, whose wait keeps a policy that reaches nobody from spinning, the fallback
    is paged instead, once. Callers hold the locks of the incidents; see
    `notifications.services.unreached`.
    """
    runs = (
        EscalationRun.objects.filter(
            incident_id__in={incident_id for incident_id, _ in lost},
            incident__status=Incident.Status.TRIGGERED,
        )
        .select_related("incident__service__team")
        .order_by("incident_id")
    )
    concerned = [run for run in runs if (run.incident_id, run.last_cause) in lost]
    waiting = [run for run in concerned if _waits_for_more(run, now)]
    _pull_forward(waiting, now)
    for run in concerned:
        if run not in waiting and not run.has_fallen_back:
            _fall_back(run, now)


def _waits_for_more(run: EscalationRun, now: datetime) -> bool:
    """Somebody else is to be paged later in this round, or as the final fallback."""
    if run.state != EscalationRun.State.RUNNING or run.next_at != run.incident.escalate_at:
        return False
    if run.next_at is None or run.next_at <= now or run.held_since is not None:
        return False
    if run.stage != Stage.STEPS:
        return run.stage == Stage.FALLBACK
    is_in_round = run.last_cause.startswith(f"step:{run.generation}:{run.round}:")
    # A step with a condition may hold for ever.
    is_sure = all("condition" not in step for step in run.steps[run.next_step :][:1])
    return is_in_round and is_sure


def _pull_forward(runs: Sequence[EscalationRun], now: datetime) -> None:
    """Run and incident together: a timer that differs from its run starts the escalation anew."""
    if not runs:
        return
    ids = [run.incident_id for run in runs]
    EscalationRun.objects.filter(incident__in=ids).update(next_at=now)
    Incident.objects.filter(pk__in=ids).update(
        escalate_at=now, updated_at=now, version=F("version") + 1
    )
    write_entries(
        build_entry(
            incident_id=pk,
            kind=TimelineEntry.Kind.PAGE_FAILED,
            message="Nobody was reached: what comes next follows now",
            now=now,
        )
        for pk in ids
    )
    wake(Wake.ESCALATE)


def _fall_back(run: EscalationRun, now: datetime) -> None:
    cause = f"unreached:{run.last_cause}"
    write_entries(page_fallback(incident=run.incident, cause=cause, now=now))
    EscalationRun.objects.filter(pk=run.pk).update(has_fallen_back=True)
