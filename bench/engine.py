"""How many steps one engine takes a second: schedules, teams and people, pages written."""

from collections.abc import Iterator

from bench.figures import Figure
from bench.stack import door_stack

INCIDENTS = 3000
# Runs inside the stack's own Django; prints the seconds that three steps of all incidents took.
MEASURE = f"""
import time
from datetime import timedelta
from django.utils import timezone
from escalations.models import *
from escalations.services import engine
from incidents.models import Incident, Service
from opsknight.models import Team, TeamMember, User

people = [User.objects.create_user(f"p{{n}}@example.com", name=f"P{{n}}", status="active")
          for n in range(20)]
now = timezone.now()
services = []
for n in range(10):
    team = Team.objects.create(name=f"Team {{n}}")
    for user in people[n:n + 4]:
        TeamMember.objects.create(team=team, user=user)
    schedule = Schedule.objects.create(name=f"Schedule {{n}}", time_zone="Europe/Vienna")
    layer = ScheduleLayer.objects.create(schedule=schedule, name="Days", starts_at=now)
    for place, user in enumerate(people[n:n + 5], 1):
        LayerMember.objects.create(layer=layer, user=user, turn=place)
    policy = EscalationPolicy.objects.create(name=f"Policy {{n}}")
    targets = ({{"schedule": schedule}}, {{"user": people[n]}}, {{"team": team}})
    for place, target in enumerate(targets, 1):
        step = PolicyStep.objects.create(policy=policy, position=place, delay_minutes=place)
        StepTarget.objects.create(step=step, **target)
    service = Service.objects.create(name=f"Service {{n}}", team=team, escalation_policy=policy)
    services.append(service)
Incident.objects.bulk_create(
    Incident(service=services[n % 10], title=f"Incident {{n}}", escalate_at=now)
    for n in range({INCIDENTS})
)
while engine.run_due_steps(now=now):
    pass
for minutes in (1, 3, 6):
    started = time.perf_counter()
    steps = 0
    while taken := engine.run_due_steps(now=now + timedelta(minutes=minutes)):
        steps += taken
    assert steps == {INCIDENTS}, steps
    print(time.perf_counter() - started)
"""


def run() -> Iterator[Figure]:
    """One engine in one process; a schedule, a person, then a team of four."""
    with door_stack() as stack:
        seconds = [float(line) for line in stack.manage("shell", "-v0", "-c", MEASURE).splitlines()]
    schedule, _, team = seconds
    yield Figure("engine.steps_per_s", INCIDENTS * len(seconds) / sum(seconds), "steps/s")
    yield Figure("engine.schedule_steps_per_s", INCIDENTS / schedule, "steps/s")
    yield Figure("engine.team_steps_per_s", INCIDENTS / team, "steps/s")
