"""The tasks are registered, and survive what happens to processes and databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from celery import current_app
from celery.worker import state as worker_state
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.celery import QUEUES, app
from incidents.models import Incident
from notifications import tasks
from notifications.channels import CHANNELS
from notifications.models import Notification
from notifications.services import nudging
from opsknight.models import User
from opsknight.prompt_redis import prompt_redis
from tests.factories import ContactMethodFactory, NotificationFactory
from tests.notifications.providers import Endpoint, Mailbox


@pytest.mark.parametrize(
    "name", ["deliver_due", "wake_due_channels", "cancel_settled_pages", "notify_assigned"]
)
def test_the_tasks_are_registered(name: str):
    current_app.loader.import_default_modules()

    assert f"notifications.tasks.{name}" in current_app.tasks


def test_every_channel_has_a_queue_that_a_worker_serves():
    assert {channel.queue for channel in CHANNELS.values()} <= set(QUEUES)


def test_two_workers_sweep_channels_so_that_one_may_stand():
    sweeps = [
        sweep["options"]["queue"]
        for sweep in app.conf.beat_schedule.values()
        if sweep["task"] == "notifications.tasks.wake_due_channels"
    ]

    assert sorted(sweeps) == ["default", "escalations"]


@pytest.mark.django_db
def test_the_sweep_wakes_those_channels_on_which_something_is_due(incident: Incident):
    now, soon = timezone.now(), timezone.now() + timedelta(minutes=5)
    NotificationFactory(incident=incident, channel="email", due_at=now)
    NotificationFactory(incident=incident, channel="sms", due_at=soon)
    NotificationFactory(incident=incident, channel="webhook", state="sending", leased_until=now)
    NotificationFactory(incident=incident, channel="push", state="sending", leased_until=soon)
    NotificationFactory(incident=incident, channel="voice", state="sent", finished_at=now)
    queues = ("email", "webhook", "sms", "push", "voice")
    before = [prompt_redis().llen(queue) for queue in queues]

    with CaptureQueriesContext(connection) as queries:
        tasks.wake_due_channels()

    grown = [prompt_redis().llen(queue) - n for queue, n in zip(queues, before, strict=True)]
    assert grown == [1, 1, 0, 0, 0]
    assert len(queries) == 1


@pytest.mark.django_db
def test_indexes_answer_the_sweep_however_much_is_to_come_later(incident: Incident, bob: User):
    soon = timezone.now() + timedelta(hours=1)
    later = {"incident": incident, "user": bob, "channel": "email", "due_at": soon}
    Notification.objects.bulk_create(
        Notification(**later, reason="escalation", cause=f"step:{n}", turn=n % 50)
        for n in range(3000)
    )

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE notifications_notification")
        cursor.execute("SET LOCAL enable_seqscan = off")  # of so few rows it may be the cheaper
        cursor.execute(f"EXPLAIN {nudging._DUE}", [list(CHANNELS)])
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Seq Scan" not in plan, plan


@pytest.mark.django_db
def test_the_sweeps_find_their_work(mailbox: Mailbox, incident: Incident, bob: User):
    NotificationFactory(incident=incident, user=bob)

    tasks.deliver_due(channel="email")
    tasks.cancel_settled_pages()
    tasks.notify_assigned()

    assert len(mailbox.mails) == 1


@pytest.mark.django_db
def test_a_worker_that_stops_finishes_its_hands_only(
    mailbox: Mailbox, incident: Incident, monkeypatch: pytest.MonkeyPatch
):
    NotificationFactory.create_batch(CHANNELS["email"].parallel + 1, incident=incident)
    monkeypatch.setattr(worker_state, "should_stop", 0)

    tasks.deliver_due(channel="email")

    assert len(mailbox.mails) == CHANNELS["email"].parallel


@pytest.mark.django_db(transaction=True)
def test_an_outcome_is_recorded_although_the_database_restarted_meanwhile(
    endpoint: Endpoint, incident: Incident, bob: User
):
    method = ContactMethodFactory(user=bob, channel="webhook", address=endpoint.url)
    page = NotificationFactory(
        incident=incident,
        user=bob,
        channel="webhook",
        address=endpoint.url,
        contact_method=method,
    )
    endpoint.may_answer.clear()

    def work() -> None:
        try:
            tasks.deliver_due(channel="webhook")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(work)
        assert endpoint.has_request.wait(10)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        endpoint.may_answer.set()
        run.result(30)

    page.refresh_from_db()
    assert page.state == Notification.State.DELIVERED
    assert len(endpoint.requests) == 1
