"""The Celery application: one queue per kind of work, and the beat table of the sweeps.

Every task is a nudge: the rows in PostgreSQL say what is due, so a lost message costs seconds, and
a message that waited for a minute is dropped (`expires`).
"""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import Celery, bootsteps
from celery.schedules import schedule
from celery.worker.consumer.tasks import Tasks
from kombu import Exchange, Queue

from notifications.workers import TELL_SECONDS, tell_presence

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# The worker processes of one machine and the queues that each serves. To scale, run more of the
# process whose queue is behind, or give one queue a process of its own.
WORKERS = {
    "escalations": ("escalations",),
    "email": ("email",),
    "phone": ("sms", "voice", "whatsapp"),
    "push": ("push",),
    "chat": ("slack", "teams", "google_chat", "discord", "telegram"),
    "webhook": ("webhook",),
    "default": ("default",),
}
QUEUES = tuple(queue for queues in WORKERS.values() for queue in queues)
# Compared with the clock of the worker's machine: much shorter, and a clock that is a little ahead
# would make a worker drop every sweep.
EXPIRES_SECONDS = 60

app = Celery("opsknight")
app.config_from_object("django.conf:settings", namespace="CELERY")

# The anonymous exchange routes by queue name alone. Named exchanges keep their bindings in Redis,
# and a wiped Redis would lose them until every process restarts.
_exchange = Exchange("")

app.conf.update(
    task_queues=[Queue(name, _exchange, routing_key=name) for name in QUEUES],
    task_default_queue="default",
    task_default_exchange="",
    task_default_routing_key="default",
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_publish_retry=False,
    task_serializer="json",
    accept_content=["json"],
    enable_utc=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # In memory: a file would only keep instants of an earlier boot, and need a disk with space.
    beat_scheduler="celery.beat:Scheduler",
    broker_transport_options={
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "health_check_interval": 10,
        "max_retries": 0,  # a nudge waits for nobody: Redis is away, and the sweep comes
    },
)


def steady_now() -> datetime:
    """A clock that nobody sets: by the wall clock, beat would wait until a clock that was set back
    has caught up, and nothing would escalate meanwhile."""
    return datetime.fromtimestamp(time.monotonic(), UTC)


def _sweep(task: str, seconds: float, queue: str) -> dict[str, object]:
    options = {"queue": queue, "expires": EXPIRES_SECONDS, "ignore_result": True}
    every = schedule(timedelta(seconds=seconds), nowfun=steady_now)
    return {"task": task, "schedule": every, "options": options}


app.conf.beat_schedule = {
    "run due escalation steps": _sweep("escalations.tasks.run_due_steps", 2, "escalations"),
    "withdraw acknowledgements": _sweep("escalations.tasks.withdraw_timed_out", 10, "escalations"),
    # Beside the engine's own queue: they must work when that one stands.
    "audit the engine": _sweep("escalations.tasks.audit_engine", 60, "default"),
    "tell the outside": _sweep("escalations.tasks.tell_outside", 10, "default"),
    "open missed heartbeats": _sweep("incidents.tasks.open_missed_heartbeats", 5, "escalations"),
    "prune deliveries": _sweep("incidents.tasks.prune_deliveries", 300, "default"),
    "cancel settled pages": _sweep("notifications.tasks.cancel_settled_pages", 10, "default"),
    "edit what chats show": _sweep("notifications.tasks.edit_posts", 2, "slack"),
    "ask about stuck pages": _sweep("notifications.tasks.ask_stuck", 60, "default"),
    "delete unverified": _sweep("notifications.tasks.delete_unverified", 60, "default"),
    "send digests": _sweep("notifications.tasks.send_digests", 30, "default"),
    "follow quiet hours": _sweep("notifications.tasks.follow_quiet_pages", 10, "default"),
    "follow breakers": _sweep("notifications.tasks.follow_breakers", 5, "default"),
    "tell the assigned": _sweep("notifications.tasks.notify_assigned", 5, "default"),
    "tell events": _sweep("notifications.tasks.tell_events", 2, "default"),
    "forget replies": _sweep("notifications.tasks.forget_replies", 3600, "default"),
    "tell status": _sweep("notifications.tasks.tell_status", 5, "default"),
    "follow maintenance": _sweep("incidents.tasks.follow_maintenance", 5, "escalations"),
    "resolve what is quiet": _sweep("incidents.tasks.resolve_quiet", 10, "default"),
    "follow schedules": _sweep("escalations.tasks.follow_schedules", 30, "default"),
    "tell on call": _sweep("escalations.tasks.tell_on_call", 60, "default"),
    "import due calendars": _sweep("escalations.tasks.import_due_calendars", 20, "default"),
    "forget what is old": _sweep("opsknight.tasks.forget_expired", 600, "default"),
    "wake due channels": _sweep("notifications.tasks.wake_due_channels", 2, "default"),
    # By another worker: pages must go out when that one stands.
    "wake due channels, too": _sweep("notifications.tasks.wake_due_channels", 10, "escalations"),
}


class TellPresence(bootsteps.StartStopStep):
    """A worker that takes tasks says so, for the operations page."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """At once, and again and again while it is connected."""
        queues = tuple(consumer.app.amqp.queues.consume_from)
        tell_presence(queues)
        self._timer = consumer.timer.call_repeatedly(TELL_SECONDS, tell_presence, (queues,))

    def stop(self, consumer: Any) -> None:
        """Until the connection is back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    shutdown = stop


app.steps["consumer"].add(TellPresence)
app.autodiscover_tasks()
