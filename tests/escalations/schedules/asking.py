"""Who is on call by the database, in names."""

from datetime import datetime, timedelta

from django.db import connection

from escalations.models import Schedule
from escalations.oncall import gaps_between, on_call_at, shifts_between
from escalations.selectors import history_of, rotas_of
from opsknight.models import User


def on_call(schedule: Schedule, at: datetime) -> str:
    """Who is on call by the live rows: "Ann, Bob", or "" for nobody."""
    rota = rotas_of([schedule.pk], since=at)[schedule.pk]
    return _names(on_call_at(rota.spec, at))


def was_on_call(schedule: Schedule, at: datetime, *, now: datetime) -> str:
    """Who was on call by the recorded history."""
    return _names(on_call_at(history_of([schedule.pk], now=now)[schedule.pk], at))


def days(schedule: Schedule, now: datetime, number: int = 4) -> list[str]:
    """Who is on call now, and a day, two days … later."""
    return [on_call(schedule, now + timedelta(days=day)) for day in range(number)]


def shifts(schedule: Schedule, start: datetime, end: datetime) -> list[tuple[str, int, int]]:
    """The shifts in a range: name, first and last hour counted from its start."""
    rota = rotas_of([schedule.pk], since=start)[schedule.pk]
    return [
        (_names((s.user_id,)), _hours(s.starts_at - start), _hours(s.ends_at - start))
        for s in shifts_between(rota.spec, start, end)
    ]


def gaps(schedule: Schedule, start: datetime, end: datetime) -> list[tuple[int, int]]:
    """The gaps in a range, in hours counted from its start."""
    rota = rotas_of([schedule.pk], since=start)[schedule.pk]
    found = gaps_between(rota.spec, start, end)
    return [(_hours(g.starts_at - start), _hours(g.ends_at - start)) for g in found]


def _hours(length: timedelta) -> int:
    return round(length / timedelta(hours=1))


def _names(ids: tuple[int, ...]) -> str:
    names = User.objects.in_bulk(ids)
    return ", ".join(names[user_id].name for user_id in ids)


def await_a_lock() -> None:
    """Until another transaction waits for this one."""
    ends_at = datetime.now() + timedelta(seconds=20)
    while datetime.now() < ends_at:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("Nobody waited.")
