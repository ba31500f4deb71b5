"""Who is paged when the steps are not enough, and how an escalation ends."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from escalations.models import EscalationPolicy, EscalationRun, TargetSnapshot
from escalations.services import wording
from escalations.services.recipients import (
    Directory,
    Found,
    load_administrators,
    load_directory,
)
from escalations.services.runs import DueRun, end_run, finish_steps
from escalations.snapshots import fallback_snapshot_of
from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import resolve_incidents
from incidents.services.timeline import build_entry
from notifications.models import Notification
from notifications.services.outbox import PageRequest, Queued, queue_pages

Kind = TimelineEntry.Kind


def page_requests(
    run: EscalationRun, found: Iterable[Found], cause: str, place_in_line: int = 0
) -> list[PageRequest]:
    """The pages of everybody found, and of every place, once each."""
    reason = Notification.Reason.ESCALATION
    people = dict.fromkeys(person.id for one in found for person in one.people)
    places = dict.fromkeys(one.place.id for one in found if one.place is not None)
    to_people = [
        PageRequest(
            run.incident_id, id, reason, cause, place_in_line, needs_own_ack=run.is_multi_ack
        )
        for id in people
    ]
    return to_people + [
        PageRequest(run.incident_id, None, reason, cause, place_in_line, destination_id=id)
        for id in places
    ]


def page_fallbacks(
    *, due: Sequence[tuple[DueRun, str]], directory: Directory, now: datetime, why: str = ""
) -> list[TimelineEntry]:
    """Page somebody else for incidents that would stay silent, each for its cause; 1 query and
    the pages. `why` opens what the timeline says.
    """
    if not due:
        return []
    administrators = load_administrators()
    requests: list[PageRequest] = []
    chosen: list[tuple[int, list[Found]]] = []
    for one, cause in due:
        found = _fallback_of(one.incident, one.run.fallback, directory, administrators)
        requests += page_requests(one.run, found, cause)
        chosen.append((one.incident.pk, found))
        one.run.has_fallen_back = True
    queued = queue_pages(requests=requests, now=now)
    return [_fallback_entry(pk, found, queued, now, why) for pk, found in chosen]


def page_fallback(*, incident: Incident, cause: str, now: datetime) -> list[TimelineEntry]:
    """Page the fallback of one incident, whatever became of its run; return what to say of it."""
    fallback = _live_fallback(incident)
    team_ids = [incident.service.team_id] if incident.service.team_id else []
    directory = load_directory(
        targets=[fallback] if fallback else [], user_ids=[], team_ids=team_ids, now=now
    )
    found = _fallback_of(incident, fallback, directory, load_administrators())
    run = EscalationRun(incident=incident, is_multi_ack=False)
    queued = queue_pages(requests=page_requests(run, found, cause), now=now)
    return [_fallback_entry(incident.pk, found, queued, now, "")]


def _live_fallback(incident: Incident) -> TargetSnapshot | None:
    policies = EscalationPolicy.objects.select_related("fallback_user", "fallback_team")
    policy = policies.filter(pk=incident.paging_policy_id or 0).first()
    return fallback_snapshot_of(policy) if policy else None


def _fallback_of(
    incident: Incident,
    fallback: TargetSnapshot | None,
    directory: Directory,
    administrators: Found,
) -> list[Found]:
    """The policy's fallback; where it has nobody, the service's team, and the administrators."""
    found = [] if fallback is None else [directory.find(fallback)]
    if any(one.people for one in found):
        return found
    team = incident.service.team
    if team is not None:
        found.append(directory.find_team(team.pk, str(team)))
    if any(one.people for one in found):
        return found
    return [*found, administrators]


def _fallback_entry(
    incident_id: int,
    found: Sequence[Found],
    queued: Queued,
    now: datetime,
    why: str,
) -> TimelineEntry:
    found = wording.with_stand_ins(found, incident_id, queued.stand_ins)
    people = [person.id for one in found for person in one.people]
    problems = wording.problems_of(
        found, {pk for pk in people if (incident_id, pk) in queued.unreached}
    )
    data: dict[str, Any] = {"fallback": True}
    if not people:
        message = f"nobody could be paged instead, because {'; '.join(problems)}"
        return entry(incident_id, Kind.NOBODY_TO_PAGE, why + message, now, data)
    message = "; ".join([f"paged {wording.names_of(found, set())} instead", *problems])
    return entry(incident_id, Kind.ESCALATED, why + message, now, data | {"users": people})


# The end


def take_final_fallbacks(
    *, due: Sequence[DueRun], directory: Directory, now: datetime
) -> list[TimelineEntry]:
    """Page the final fallback of each policy: nobody answered."""
    caused = [(one, f"fallback:{one.run.generation}") for one in due]
    entries = page_fallbacks(due=caused, directory=directory, now=now, why="Nobody answered: ")
    for one in due:
        one.run.last_cause = f"fallback:{one.run.generation}"
        finish_steps(one.run, now=now)
        entries.append(ended(one, now))
    return entries


def resolve_at_last(*, due: Sequence[DueRun], now: datetime) -> None:
    """Resolve incidents whose escalation ended long ago, one call per policy and wait."""
    grouped: dict[str, list[int]] = {}
    for one in due:
        wait = wording.length(timedelta(minutes=one.run.resolve_after_minutes or 0))
        source = f"{one.run.policy_name[:150]}: {wait} after its last step"
        grouped.setdefault(source, []).append(one.incident.pk)
        end_run(one.run)
    for source, incident_ids in grouped.items():
        resolve_incidents(incident_ids=incident_ids, actor=None, source=source)


def ended(due: DueRun, now: datetime) -> TimelineEntry:
    """That nobody is left to page, and what will still happen."""
    run = due.run
    text = f"every step was taken {wording.times(run.round + 1)} and nobody acknowledged"
    if run.next_at is None:
        message = f"Escalation ended: {text}"
    else:
        wait = wording.length(timedelta(minutes=run.resolve_after_minutes or 0))
        message = f"Escalation ended: {text}; the incident resolves by itself in {wait}"
    data = {"generation": run.generation}
    return entry(due.incident.pk, Kind.ESCALATION_ENDED, message, now, data)


def entry(
    incident_id: int,
    kind: TimelineEntry.Kind,
    message: str,
    now: datetime,
    data: dict[str, Any],
) -> TimelineEntry:
    """An unsaved entry of the engine, which begins with a capital letter."""
    text = message[:1].upper() + message[1:]
    return build_entry(incident_id=incident_id, kind=kind, message=text, now=now, data=data)
