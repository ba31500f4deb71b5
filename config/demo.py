"""A believable company, made with a fixed seed so that everybody sees the same one."""

import random
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from config import demo_data as data
from escalations.models import (
    EscalationPolicy,
    LayerMember,
    PolicyStep,
    Schedule,
    ScheduleLayer,
    StepTarget,
)
from incidents.models import Alert, Change, Incident, Integration, Service, TimelineEntry
from incidents.services.lifecycle import open_incident
from incidents.services.timeline import build_entry
from opsknight.errors import Conflict
from opsknight.models import Team, TeamMember, User

DAYS = 30
PER_DAY = 4  # incidents, on average


class DemoExists(Conflict):
    """The demonstration company was loaded before."""


@transaction.atomic
def load_demo() -> str:
    """Create everything in one transaction; returns one line that says what. Raises DemoExists."""
    if User.objects.filter(email__endswith=data.DOMAIN).exists():
        raise DemoExists("The demonstration company is loaded already.")
    now = timezone.now()
    chance = random.Random(20260105)  # noqa: S311 — not for secrets
    people = _people()
    teams = _teams(people)
    policies = _on_call(teams, people, now)
    services = _services(teams, policies)
    count = _history(services, people, chance, now)
    for service_name, summary, hours in data.CHANGES:
        at = now - timedelta(hours=hours)
        service = services[service_name]
        Change.objects.create(service=service, summary=summary, source="ci", received_at=at)
    for service_name, title, urgency in data.HAPPENING_NOW:
        open_incident(service=services[service_name], title=title, actor=None, urgency=urgency)
    return (
        f"Loaded {len(people)} people, {len(teams)} teams, {len(services)} services and "
        f"{count + len(data.HAPPENING_NOW)} incidents. The people cannot sign in; you can."
    )


def _people() -> dict[str, User]:
    return {
        name: User.objects.create_user(
            f"{name.split()[0].lower()}{data.DOMAIN}",
            name=name,
            role=role,
            status=User.Status.ACTIVE,
            time_zone=zone,
        )
        for name, role, zone in data.PEOPLE
    }


def _teams(people: dict[str, User]) -> dict[str, Team]:
    teams = {}
    for name, (description, members) in data.TEAMS.items():
        team = Team.objects.create(name=name, description=description, lead=people[members[0]])
        for index, member in enumerate(members):
            role = TeamMember.Role.OWNER if index == 0 else TeamMember.Role.MEMBER
            TeamMember.objects.create(team=team, user=people[member], role=role)
        teams[name] = team
    return teams


def _on_call(
    teams: dict[str, Team], people: dict[str, User], now: datetime
) -> dict[str, EscalationPolicy]:
    """For each team a weekly schedule, and a policy: who is on call, then the lead, then all."""
    policies = {}
    anchor = (now - timedelta(days=56 + now.weekday())).replace(hour=9, minute=0, second=0)
    for name, (_, members) in data.TEAMS.items():
        schedule = Schedule.objects.create(
            name=f"{name} primary", team=teams[name], time_zone=data.ZONES[name]
        )
        layer = ScheduleLayer.objects.create(
            schedule=schedule, name="Weekly", starts_at=anchor.replace(microsecond=0)
        )
        for position, member in enumerate(members, start=1):
            LayerMember.objects.create(layer=layer, user=people[member], turn=position)
        policy = EscalationPolicy.objects.create(name=f"{name} on call")
        first, second, third = (
            PolicyStep.objects.create(policy=policy, position=n, delay_minutes=delay)
            for n, delay in ((1, 0), (2, 10), (3, 20))
        )
        StepTarget.objects.create(step=first, schedule=schedule)
        StepTarget.objects.create(step=second, user=people[members[0]])
        StepTarget.objects.create(step=third, team=teams[name])
        policies[name] = policy
    return policies


def _services(teams: dict[str, Team], policies: dict[str, EscalationPolicy]) -> dict[str, Service]:
    services = {}
    for name, (team, description, kind) in data.SERVICES.items():
        service = Service.objects.create(
            name=name, description=description, team=teams[team], escalation_policy=policies[team]
        )
        label = Integration.Kind(kind).label
        Integration.objects.create(service=service, name=label, kind=kind)
        services[name] = service
    return services


def _history(
    services: dict[str, Service],
    people: dict[str, User],
    chance: random.Random,
    now: datetime,
) -> int:
    """Incidents of the last days, nearly all over; more by day than by night."""
    count = DAYS * PER_DAY
    moments = sorted(
        now - timedelta(minutes=chance.uniform(90, DAYS * 24 * 60)) for _ in range(count)
    )
    for number, created_at in enumerate(moments):
        name, title, severity = chance.choice(data.PROBLEMS)
        service = services[name]
        members = data.TEAMS[service.team.name if service.team else ""][1]
        responder = people[chance.choice(members)]
        _past_incident(service, title, severity, responder, created_at, chance, number >= count - 2)
    return count


def _past_incident(
    service: Service,
    title: str,
    severity: str,
    responder: User,
    created_at: datetime,
    chance: random.Random,
    is_open: bool,
) -> None:
    acknowledged_at = created_at + timedelta(seconds=chance.lognormvariate(5, 0.8))
    resolved_at = acknowledged_at + timedelta(minutes=chance.lognormvariate(3, 0.9))
    last = acknowledged_at if is_open else resolved_at
    incident = Incident.objects.create(
        service=service,
        title=title,
        status=Incident.Status.ACKNOWLEDGED if is_open else Incident.Status.RESOLVED,
        urgency=data.URGENCY[severity],
        dedup_key=f"demo-{created_at:%Y%m%d%H%M%S}",
        assignee=responder,
        alert_count=1,
        last_alert_at=created_at,
        created_at=created_at,
        updated_at=last,
        acknowledged_at=acknowledged_at,
        acknowledged_by=responder,
        resolved_at=None if is_open else resolved_at,
        resolved_by=None if is_open else responder,
    )
    integration = service.integrations.get()
    Alert.objects.create(
        service=service,
        integration=integration,
        incident=incident,
        action=Alert.Action.TRIGGER,
        dedup_key=incident.dedup_key or "",
        summary=title,
        source=service.name.lower().replace(" ", "-"),
        severity=severity,
        received_at=created_at,
    )
    _past_timeline(incident, integration, responder, chance)


def _past_timeline(
    incident: Incident, integration: Integration, responder: User, chance: random.Random
) -> None:
    kind = TimelineEntry.Kind
    steps = [
        (kind.TRIGGERED, f"Triggered by {integration.name}", incident.created_at, None),
        (kind.ESCALATED, f"Step 1: paged {responder}", incident.created_at, None),
        (kind.ACKNOWLEDGED, f"Acknowledged by {responder}", incident.acknowledged_at, responder),
    ]
    if incident.resolved_at and chance.random() < 0.4:
        note = chance.choice(data.NOTES)
        steps.append((kind.NOTE, note, incident.resolved_at - timedelta(seconds=30), responder))
    if incident.resolved_at:
        steps.append((kind.RESOLVED, f"Resolved by {responder}", incident.resolved_at, responder))
    TimelineEntry.objects.bulk_create(
        build_entry(incident_id=incident.pk, kind=k, message=message, now=at, actor=actor)
        for k, message, at, actor in steps
        if at is not None
    )
