"""Acknowledge, resolve, reassign, note: the one place where an incident changes by hand.

Every door (page, REST, button in a message, bulk) calls these functions, so the effects are the
same everywhere: the status, the timer, the timeline, the live pages, and the cancelling of pages.
They check nothing about the person; the edge got the incident from `selectors`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from incidents.models import Incident, Service, TimelineEntry
from incidents.selectors import own_acknowledgements
from incidents.services.maintenance_now import maintenance_now
from incidents.services.timeline import build_entry, write_entries
from opsknight.errors import Conflict, InvalidInput, NotFound
from opsknight.models import Team, User
from opsknight.wake import Wake, wake
from realtime.publish import incidents_changed

Kind = TimelineEntry.Kind
Status = Incident.Status
MAX_NOTE_LENGTH = 10_000


def _lock(incident_ids: Iterable[int]) -> list[Incident]:
    """Lock the rows in order of their ids, so that two bulk actions cannot deadlock."""
    rows = Incident.objects.select_for_update(of=("self",), no_key=True)
    return list(rows.filter(pk__in=list(incident_ids)).order_by("pk"))


def _lock_one(incident_id: int) -> Incident:
    """Lock one row; raises NotFound when it was deleted meanwhile."""
    for incident in _lock([incident_id]):
        return incident
    raise NotFound(f"There is no incident #{incident_id} any more.")


def _check_assignee(assignee: User | None) -> None:
    if assignee is not None and not assignee.is_active:
        message = f"{assignee} cannot be paged: the account is not active."
        raise InvalidInput(message, fields={"assignee": [message]})


def _changed(incidents: Sequence[Incident]) -> None:
    incidents_changed([incident.pk for incident in incidents])


def acknowledge_incidents(
    *, incident_ids: Iterable[int], actor: User | None, source: str = "", via: str = ""
) -> list[Incident]:
    """Acknowledge what is triggered; idempotent. Returns the incidents that changed.

    `source` names what asked for it when that was no person ("API key deploy"), `via` the way of a
    person's answer ("by SMS"). The acknowledger becomes the assignee when nobody is. Where
    everybody acknowledges (`is_multi_ack`), an acknowledged incident takes further people's
    acknowledgements, each once.
    """
    now = timezone.now()
    with transaction.atomic():
        locked = _lock(incident_ids)
        first = [i for i in locked if i.status == Status.TRIGGERED]
        ids = [i.pk for i in first]
        Incident.objects.filter(pk__in=ids).update(
            status=Status.ACKNOWLEDGED,
            acknowledged_at=now,
            acknowledged_by=actor,
            escalate_at=None,
            updated_at=now,
            version=F("version") + 1,
        )
        if actor is not None:
            Incident.objects.filter(pk__in=ids, assignee=None, team=None).update(assignee=actor)
        further = _acknowledge_too(locked, actor, now)
        changed = [i for i in locked if i in first or i in further]
        _record(changed, Kind.ACKNOWLEDGED, "Acknowledged", now, actor, source, via)
        return _settle(changed)


def _acknowledge_too(
    incidents: Sequence[Incident], actor: User | None, now: datetime
) -> list[Incident]:
    """Those of acknowledged ones that this person acknowledges as well; two queries if any."""
    asked = {i.pk: i for i in incidents if i.is_multi_ack and i.status == Status.ACKNOWLEDGED}
    if actor is None or not asked:
        return []
    done = set(own_acknowledgements(actor).filter(pk__in=asked).values_list("pk", flat=True))
    Incident.objects.filter(pk__in=asked.keys() - done).update(
        updated_at=now, version=F("version") + 1
    )
    return [incident for pk, incident in asked.items() if pk not in done]


def unacknowledge_incident(*, incident_id: int, actor: User | None, source: str = "") -> Incident:
    """Give an acknowledged incident back: it is triggered again and its escalation starts anew.

    `source` as for acknowledging. Raises Conflict when it is not acknowledged.
    """
    with transaction.atomic():
        incident = _lock_one(incident_id)
        for given_back in unacknowledge_incidents(
            incident_ids=[incident_id], actor=actor, source=source
        ):
            return given_back
        raise Conflict(f"Incident #{incident.pk} is {incident.get_status_display().lower()}.")


def unacknowledge_incidents(
    *, incident_ids: Iterable[int], actor: User | None, source: str = ""
) -> list[Incident]:
    """Give back what is acknowledged; idempotent. Returns the incidents that changed.

    They are triggered again and their escalations start anew. `source` as for acknowledging.
    """
    now = timezone.now()
    with transaction.atomic():
        changed = [i for i in _lock(incident_ids) if i.status == Status.ACKNOWLEDGED]
        if not changed:
            return []
        ids = [i.pk for i in changed]
        Incident.objects.filter(pk__in=ids).update(
            status=Status.TRIGGERED,
            acknowledged_at=None,
            acknowledged_by=None,
            escalate_at=now,
            updated_at=now,
            version=F("version") + 1,
        )
        _record(changed, Kind.UNACKNOWLEDGED, "Acknowledgement withdrawn", now, actor, source)
        wake(Wake.ESCALATE)
        _changed(changed)
        return list(Incident.objects.filter(pk__in=ids).order_by("pk"))


def resolve_incidents(
    *,
    incident_ids: Iterable[int],
    actor: User | None,
    source: str = "",
    via: str = "",
    note: str = "",
) -> list[Incident]:
    """Resolve what is open; idempotent. Returns the incidents that changed.

    `source` and `via` as for acknowledging.
    """
    now = timezone.now()
    with transaction.atomic():
        changed = [i for i in _lock(incident_ids) if i.is_open]
        Incident.objects.filter(pk__in=[i.pk for i in changed]).update(
            status=Status.RESOLVED,
            resolved_at=now,
            resolved_by=actor,
            snoozed_until=None,
            suppressed_until=None,
            quiet_since=None,
            escalate_at=None,
            updated_at=now,
            version=F("version") + 1,
        )
        _record(changed, Kind.RESOLVED, "Resolved", now, actor, source, via)
        for incident in changed if note.strip() else []:
            add_note(incident_id=incident.pk, actor=actor, text=note)
        return _settle(changed)


def add_note(*, incident_id: int, actor: User | None, text: str, source: str = "") -> TimelineEntry:
    """Write a note on the timeline; raises InvalidInput when it is empty or too long.

    `source` is shown as its author when that is no person.
    """
    text = text.replace("\x00", "").strip()
    if not text:
        raise InvalidInput("Write something first.", fields={"text": ["A note needs a text."]})
    if len(text) > MAX_NOTE_LENGTH:
        message = f"Use at most {MAX_NOTE_LENGTH} characters."
        raise InvalidInput("The note is too long.", fields={"text": [message]})
    now = timezone.now()
    with transaction.atomic():
        entry = build_entry(
            incident_id=incident_id,
            kind=Kind.NOTE,
            message=text,
            now=now,
            actor=actor,
            actor_label=source if actor is None else "",
        )
        entry.save()
        _touch(incident_id, now)
    return entry


def reassign_incident(
    *,
    incident_id: int,
    actor: User | None,
    assignee: User | None = None,
    team: Team | None = None,
) -> Incident:
    """Give the incident to a person, a team, or nobody; it does not acknowledge.

    Raises InvalidInput for a person who cannot be paged, Conflict when it is resolved.
    """
    if assignee is not None and team is not None:
        raise InvalidInput("Assign a person or a team, not both.")
    _check_assignee(assignee)
    now = timezone.now()
    with transaction.atomic():
        incident = _lock_one(incident_id)
        if not incident.is_open:
            raise Conflict(f"Incident #{incident.pk} is resolved; nobody can work on it any more.")
        if (incident.assignee_id, incident.team_id) == (
            assignee.pk if assignee else None,
            team.pk if team else None,
        ):
            return incident
        incident.assignee, incident.team = assignee, team
        incident.save(update_fields=["assignee", "team"])
        whom = str(assignee or team or "nobody")
        data = {"assignee": assignee.pk if assignee else None, "team": team.pk if team else None}
        entry = build_entry(
            incident_id=incident.pk,
            kind=Kind.REASSIGNED,
            message=f"Assigned to {whom}",
            now=now,
            actor=actor,
            data=data,
        )
        entry.save()
        _touch(incident.pk, now)
        wake(Wake.NOTIFY_ASSIGNED)
    incident.refresh_from_db()
    return incident


def open_incident(
    *,
    service: Service,
    title: str,
    actor: User | None,
    description: str = "",
    urgency: str = Incident.Urgency.HIGH,
    priority: str | None = None,
    visibility: str = Incident.Visibility.PUBLIC,
    dedup_key: str | None = None,
    assignee: User | None = None,
) -> Incident:
    """Open an incident by hand; it escalates at once, or at the end of maintenance.

    Raises InvalidInput, and Conflict when the key is taken by an open incident.
    """
    title = title.replace("\x00", "").strip()
    if not title:
        raise InvalidInput("An incident needs a title.", fields={"title": ["Say what is wrong."]})
    _check_assignee(assignee)
    now = timezone.now()
    with transaction.atomic():
        if dedup_key and _open_with_key(service, dedup_key).exists():
            taken = _open_with_key(service, dedup_key).get()
            raise Conflict(f"Incident #{taken.pk} with this key is open already.")
        maintenance = maintenance_now([service.pk]).get(service.pk)
        incident = Incident.objects.create(
            service=service,
            title=title[:500],
            description=description.replace("\x00", ""),
            urgency=urgency,
            priority=priority,
            visibility=visibility,
            dedup_key=dedup_key or None,
            assignee=assignee,
            status=Status.SUPPRESSED if maintenance else Status.TRIGGERED,
            suppressed_until=maintenance.until if maintenance else None,
            escalate_at=None if maintenance else now,
            created_at=now,
            updated_at=now,
        )
        _record([incident], Kind.TRIGGERED, "Opened", now, actor, "")
        if maintenance:
            _record([incident], Kind.MAINTENANCE, maintenance.told(now), now, None, "")
        wake(Wake.ESCALATE)
        _changed([incident])
    return incident


def _open_with_key(service: Service, dedup_key: str) -> QuerySet[Incident]:
    return Incident.objects.filter(service=service, dedup_key=dedup_key).exclude(
        status=Status.RESOLVED
    )


def _record(
    incidents: Sequence[Incident],
    kind: TimelineEntry.Kind,
    what: str,
    now: datetime,
    actor: User | None,
    source: str,
    via: str = "",
) -> None:
    message = f"{what} by {actor}" if actor else what
    message = f"{message} {via}" if via else message
    message = f"{message} ({source})" if source else message
    write_entries(
        build_entry(
            incident_id=i.pk,
            kind=kind,
            message=message,
            now=now,
            actor=actor,
            actor_label=source if actor is None else "",
        )
        for i in incidents
    )


def _settle(changed: Sequence[Incident]) -> list[Incident]:
    """Nobody needs paging for these any more: cancel what is unsent, show the new state.

    Returns them as they are now; one query, however many.
    """
    if not changed:
        return []
    wake(Wake.CANCEL_SETTLED)
    _changed(changed)
    return list(Incident.objects.filter(pk__in=[i.pk for i in changed]).order_by("pk"))


def _touch(incident_id: int, now: datetime) -> None:
    Incident.objects.filter(pk=incident_id).update(updated_at=now, version=F("version") + 1)
    incidents_changed([incident_id])
