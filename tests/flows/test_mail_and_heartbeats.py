"""Mail and heartbeats on a running stack: the mail process, the sweep, a hanging database."""

import signal
import smtplib
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.flows.conftest import Flow, is_drained
from tests.processes import wait_until

MAKE = """
from incidents.models import Service
from incidents.services.catalog import create_integration
service = Service.objects.create(name="Databases")
answer = {
    kind: create_integration(service=service, kind=kind, name=f"My {kind}", actor=None).key
    for kind in ("email", "heartbeat")
}
"""


class Running:
    """A stack that takes mail, and short ways to ask it things."""

    def __init__(self, flow: Flow) -> None:
        self.stack, self.mail_port, self.sql = flow.stack, flow.mail_port, flow.sql
        self.keys: dict[str, str] = flow.stack.run(MAKE)

    def mail(self, subject: str) -> None:
        """Send one mail; raises unless the answer is 250."""
        to = f"{self.keys['email']}@alerts.example.com"
        with smtplib.SMTP("127.0.0.1", self.mail_port, "monitor", timeout=30) as client:
            client.sendmail("monitor@example.com", to, f"Subject: {subject}\r\n\r\n".encode())

    def beat(self) -> None:
        """Send one beat; raises unless it was taken."""
        url = f"{self.stack.base_url}/api/heartbeats/{self.keys['heartbeat']}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.status == 200

    def status_of(self, title: str) -> list[str]:
        """The statuses of the incidents whose title begins so."""
        query = "SELECT status FROM incidents_incident WHERE starts_with(title, %s)"
        rows = self.sql(query, title)
        return [row[0] for row in rows]

    def deliveries(self) -> Counter[str]:
        """How many of each kind are stored."""
        return Counter(dict(self.sql("SELECT kind, count(*) FROM incidents_delivery GROUP BY 1")))

    @contextmanager
    def database_hangs(self) -> Iterator[None]:
        """Stop every process of PostgreSQL, without ending it."""
        postmaster = psutil.Process(self.stack.pids()["postgres"])
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def running(flow: Flow) -> Running:
    """The shared stack, with an address for mail and one for heartbeats."""
    return Running(flow)


def test_a_mail_walks_in_and_its_resolve_follows(running: Running):
    running.mail("PROBLEM: Disk full")
    opened = running.status_of("PROBLEM: Disk full")
    running.mail("RECOVERY: Disk full")

    assert opened == ["triggered"]
    assert running.status_of("PROBLEM: Disk full") == ["resolved"]


def test_a_killed_mail_process_is_started_again(running: Running):
    before = running.stack.pids()["mail"]

    running.stack.kill_part("mail")

    wait_until(
        lambda: running.stack.pids().get("mail", before) != before, 15, "the mail process is back"
    )
    wait_until(lambda: _takes_mail(running), 20, "it answers")


def _takes_mail(running: Running) -> bool:
    try:
        running.mail("Is anybody there")
    except (OSError, smtplib.SMTPException):
        return False
    return True


def test_silence_opens_by_itself_and_a_beat_resolves(running: Running):
    running.beat()
    running.sql("UPDATE incidents_heartbeat SET due_at = now() - interval '1 second'")

    title = "My heartbeat: no heartbeat for"
    wait_until(lambda: running.status_of(title) == ["triggered"], 30, "the sweep opened it")
    running.beat()

    assert running.status_of(title) == ["resolved"]


def test_mail_and_beats_are_taken_once_while_the_database_hangs(running: Running):
    running.mail("Before the outage")
    running.beat()
    before = running.deliveries()

    with running.database_hangs():
        running.mail("During the outage")
        running.beat()

    added = Counter({"email": 1, "heartbeat": 1})
    wait_until(lambda: running.deliveries() == before + added, 60, "both are stored")
    wait_until(lambda: is_drained(running.stack.home), 30, "nothing waits on disk")
    assert running.deliveries() == before + added
    assert running.status_of("During the outage") == ["triggered"]
    assert running.sql("SELECT due_at > now() FROM incidents_heartbeat") == [(True,)]
