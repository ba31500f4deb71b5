"""Alerts by e-mail: a real SMTP client, the real listener, the real database."""

import asyncio
import smtplib
import socket
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest

from config.listening import listen
from incidents.intake import committer, mail_door
from incidents.intake.committer import shared_committer
from incidents.intake.keyring import Keyring
from incidents.intake.mail_door import MailDoor
from incidents.models import Alert, Delivery, Incident, Integration
from incidents.services.deliveries import replay_delivery
from tests.factories import IntegrationFactory, ServiceFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 20


class Mailer:
    """Sends mails to the listener in this process."""

    def __init__(self, port: int) -> None:
        self.port = port

    def client(self, source: str = "127.0.0.1") -> smtplib.SMTP:
        return smtplib.SMTP(
            "127.0.0.1",
            self.port,
            local_hostname="monitor",
            timeout=SECONDS,
            source_address=(source, 0),
        )

    def send(
        self,
        to: str | list[str],
        subject: str = "Disk full on db-1",
        text: str = "98 %",
        **more: Any,
    ) -> dict[str, tuple[int, bytes]]:
        """Send one mail; the refused recipients. Raises SMTPException when all are refused."""
        mail = EmailMessage()
        mail["From"] = "Nagios <nagios@example.com>"
        mail["To"] = to if isinstance(to, str) else ", ".join(to)
        mail["Subject"] = subject
        mail.set_content(text)
        with self.client() as client:
            return client.send_message(mail, to_addrs=to, **more)


@pytest.fixture
def mailer(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailer]:
    """A mailer and the listener that it talks to."""
    monkeypatch.setattr(committer, "IDLE_SECONDS", 0.02)
    listener = listen("127.0.0.1", 0)
    loop = asyncio.new_event_loop()
    door = MailDoor(Keyring())

    async def start() -> asyncio.Server:
        return await loop.create_server(door.connect, sock=listener)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(SECONDS)
    yield Mailer(listener.getsockname()[1])

    async def stop() -> None:
        server.close()
        for connection in list(door.connections):
            connection.close()
        while door.connections:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)  # what the ends of connections have left to do

    asyncio.run_coroutine_threadsafe(stop(), loop).result(SECONDS)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(SECONDS)
    loop.close()
    assert shared_committer().is_idle.wait(10)


@pytest.fixture
def inbox(transactional_db: None) -> Integration:
    """An integration by e-mail."""
    return IntegrationFactory(
        service=ServiceFactory(name="Checkout"), name="Nagios mail", kind="email"
    )


def address(integration: Integration, suffix: str = "") -> str:
    return f"{integration.key}{suffix}@alerts.example.com"


def refusal(error: smtplib.SMTPRecipientsRefused) -> tuple[int, bytes]:
    [answer] = error.recipients.values()
    return answer


def test_a_mail_opens_an_incident_and_is_recorded(mailer: Mailer, inbox: Integration):
    mailer.send(address(inbox), "[WARNING] Disk full on db-1", "98 % of /var")

    incident = Incident.objects.get()
    delivery = Delivery.objects.get()
    assert incident.title == "[WARNING] Disk full on db-1"
    assert incident.description == "98 % of /var"
    assert (incident.urgency, incident.dedup_key) == ("medium", "email-disk-full-on-db-1")
    assert incident.escalate_at is not None
    assert (delivery.via, delivery.kind, delivery.verdict) == ("email", "email", "accepted")
    assert Alert.objects.get().source == "nagios@example.com"


def test_the_key_is_in_nothing_that_is_kept(mailer: Mailer, inbox: Integration):
    mailer.send(address(inbox), text=f"You get this because {address(inbox)} asked for it.")

    delivery, alert, incident = Delivery.objects.get(), Alert.objects.get(), Incident.objects.get()
    assert inbox.key.encode() not in bytes(delivery.body)
    assert inbox.key not in str(delivery.headers)
    assert inbox.key not in str(alert.details)
    assert inbox.key not in incident.description


def test_a_suffix_of_the_address_joins_what_has_its_key(mailer: Mailer, inbox: Integration):
    mailer.send(address(inbox, "+disk-db-1"), "Disk at 91 %")
    mailer.send(address(inbox, "+disk-db-1"), "Disk at 95 %")
    mailer.send(address(inbox, "+disk-db-2"), "Disk at 95 %")

    assert set(Incident.objects.values_list("dedup_key", "alert_count")) == {
        ("disk-db-1", 2),
        ("disk-db-2", 1),
    }


def test_a_replayed_mail_keeps_its_suffix(mailer: Mailer, inbox: Integration):
    mailer.send(address(inbox, "+disk-db-1"), "Disk at 91 %")

    reception = replay_delivery(delivery=Delivery.objects.get(), actor=UserFactory())

    assert [outcome.result for outcome in reception.outcomes] == ["deduplicated"]
    assert Incident.objects.get().dedup_key == "disk-db-1"


def test_a_subject_that_says_so_resolves(mailer: Mailer, inbox: Integration):
    mailer.send(address(inbox), "** PROBLEM Host Alert: db-1 is DOWN **")
    mailer.send(address(inbox), "** RECOVERY Host Alert: db-1 is UP **")

    assert Incident.objects.get().status == "resolved"


def test_a_mail_to_two_integrations_opens_two_incidents(mailer: Mailer, inbox: Integration):
    other = IntegrationFactory(kind="email")

    refused = mailer.send([address(inbox), address(other)])

    assert refused == {}
    assert Incident.objects.count() == 2
    assert set(Delivery.objects.values_list("integration", flat=True)) == {inbox.pk, other.pk}


def test_an_unknown_recipient_is_refused_and_the_others_are_not(mailer: Mailer, inbox: Integration):
    refused = mailer.send([address(inbox), "nobody@alerts.example.com"])

    assert {to: code for to, (code, _) in refused.items()} == {"nobody@alerts.example.com": 550}
    assert Incident.objects.count() == 1


def test_unknown_disabled_and_foreign_keys_are_refused_alike(mailer: Mailer, inbox: Integration):
    keys = [
        "f" * 32,
        IntegrationFactory(kind="email", enabled=False).key,
        IntegrationFactory(kind="webhook").key,
    ]
    answers = set()

    for key in keys:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            mailer.send(f"{key}@alerts.example.com")
        answers.add(refusal(refused.value))

    assert len(answers) == 1
    assert answers.pop()[0] == 550
    assert not Delivery.objects.exists()


def test_an_integration_disabled_while_the_mail_is_written_takes_nothing(
    mailer: Mailer, inbox: Integration
):
    with mailer.client() as client:
        client.ehlo()
        client.mail("nagios@example.com")
        client.rcpt(address(inbox))
        Integration.objects.update(enabled=False)
        code, _ = client.data(b"Subject: Disk full\r\n\r\n")

    assert code == 550
    assert not Incident.objects.exists()
    assert Delivery.objects.get().verdict == "refused"


def test_a_mail_that_is_too_large_is_refused_and_the_connection_goes_on(
    mailer: Mailer, inbox: Integration, settings: Any
):
    settings.INTAKE_MAX_BODY_BYTES = 10_000
    with mailer.client() as client:
        client.ehlo()
        announced = client.mail("nagios@example.com", ["SIZE=20000"])[0]
        client.mail("nagios@example.com")
        client.rcpt(address(inbox))
        sent = client.data(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * 10_000)[0]
        client.mail("nagios@example.com")
        client.rcpt(address(inbox))
        small = client.data(b"Subject: x\r\n\r\n")[0]

    assert (announced, sent, small) == (552, 552, 250)
    assert Incident.objects.count() == 1


def test_ten_megabytes_of_one_line_are_refused(mailer: Mailer, inbox: Integration):
    with mailer.client() as client:
        client.ehlo()
        client.mail("nagios@example.com")
        client.rcpt(address(inbox))
        code, _ = client.data(b"x" * 10_000_000)

    assert code in (500, 552)
    assert not Delivery.objects.exists()


def test_who_never_stops_gets_no_answer(mailer: Mailer, inbox: Integration, settings: Any):
    settings.INTAKE_MAX_BODY_BYTES = 10_000
    with pytest.raises((smtplib.SMTPException, OSError)), mailer.client() as client:  # noqa: PT012
        client.ehlo()
        client.mail("nagios@example.com")
        client.rcpt(address(inbox))
        client.data(b"x" * 1_000_000)

    assert not Delivery.objects.exists()


def test_a_long_line_of_html_is_taken(mailer: Mailer, inbox: Integration):
    html = b"<p>" + b"Disk full " * 5_000
    with mailer.client() as client:
        client.ehlo()
        client.mail("nagios@example.com")
        client.rcpt(address(inbox))
        code, _ = client.data(b"Subject: Report\r\nContent-Type: text/html\r\n\r\n" + html)

    assert code == 250
    assert Incident.objects.get().description.startswith("Disk full Disk full")


def test_recipients_beyond_the_limit_are_told_to_come_again(
    mailer: Mailer, inbox: Integration, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mail_door, "MAX_RECIPIENTS", 2)

    refused = mailer.send([address(inbox, f"+{n}") for n in range(3)])

    assert {to: code for to, (code, _) in refused.items()} == {address(inbox, "+2"): 452}
    assert Incident.objects.count() == 2


def test_connections_beyond_the_limit_are_told_to_come_again(
    mailer: Mailer, inbox: Integration, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mail_door, "MAX_CONNECTIONS", 1)

    with mailer.client() as first:
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            mailer.client()
        answer = first.noop()[0]

    assert refused.value.smtp_code == 421
    assert answer == 250


def test_one_address_cannot_take_all_connections(
    mailer: Mailer, inbox: Integration, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mail_door, "MAX_OF_ADDRESS", 2)

    with mailer.client(), mailer.client():
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            mailer.client()
        with mailer.client("127.0.0.2") as other:
            answer = other.noop()[0]

    assert answer == 250
    assert refused.value.smtp_code == 421


def test_the_limit_of_the_integration_makes_the_sender_keep_the_mail(
    mailer: Mailer, inbox: Integration
):
    Integration.objects.update(rate_limit=1)
    mailer.send(address(inbox))

    with pytest.raises(smtplib.SMTPDataError) as refused:
        mailer.send(address(inbox))

    assert refused.value.smtp_code == 451
    assert Delivery.objects.count() == 1


def test_an_automatic_reply_is_taken_and_opens_nothing(mailer: Mailer, inbox: Integration):
    with mailer.client() as client:
        client.sendmail(
            "someone@example.com",
            address(inbox),
            b"Subject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.",
        )

    assert Delivery.objects.get().verdict == "ignored"
    assert not Incident.objects.exists()


def test_a_bounce_is_taken_and_opens_nothing(mailer: Mailer, inbox: Integration):
    with mailer.client() as client:
        client.sendmail("<>", address(inbox), b"Subject: Undelivered Mail\r\n\r\nSorry.")

    assert Delivery.objects.get().verdict == "ignored"
    assert not Incident.objects.exists()


def test_an_empty_mail_is_refused_and_kept_to_be_looked_at(mailer: Mailer, inbox: Integration):
    with mailer.client() as client:
        client.ehlo()
        client.mail("nagios@example.com")
        client.rcpt(address(inbox))
        code, _ = client.data(b"\r\n")

    assert code == 554
    assert Delivery.objects.get().verdict == "invalid"


def test_a_mail_without_headers_is_its_text(mailer: Mailer, inbox: Integration):
    with mailer.client() as client:
        client.sendmail("nagios@example.com", address(inbox), b"Disk full\r\non db-1")

    assert Incident.objects.get().title == "Disk full"


def test_a_mail_cut_off_is_not_kept(mailer: Mailer, inbox: Integration):
    with socket.create_connection(("127.0.0.1", mailer.port), SECONDS) as raw:
        for line in (
            b"EHLO x",
            b"MAIL FROM:<a@example.com>",
            f"RCPT TO:<{address(inbox)}>".encode(),
            b"DATA",
        ):
            raw.recv(4096)
            raw.sendall(line + b"\r\n")
        raw.recv(4096)
        raw.sendall(b"Subject: Half of a mail\r\n\r\n")
    mailer.send(address(inbox), "Whole")

    assert Incident.objects.get().title == "Whole"
