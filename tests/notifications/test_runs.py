"""One run for each channel in a process."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from incidents.models import Incident
from notifications.models import Notification
from notifications.services.runs import ChannelRuns
from opsknight.models import User
from tests.factories import ContactMethodFactory, NotificationFactory
from tests.notifications.providers import Endpoint, Mailbox

pytestmark = pytest.mark.django_db(transaction=True)


def hook(incident: Incident, user: User, endpoint: Endpoint) -> Notification:
    method = ContactMethodFactory(user=user, channel="webhook", address=endpoint.url)
    return NotificationFactory(
        incident=incident, user=user, channel="webhook", address=endpoint.url, contact_method=method
    )


def test_a_nudge_during_a_run_is_done_at_once_and_the_run_looks_again(
    endpoint: Endpoint, incident: Incident, bob: User, carol: User
):
    runs = ChannelRuns()
    hook(incident, bob, endpoint)
    endpoint.may_answer.clear()

    def work() -> int:
        try:
            return runs.join("webhook", may_go_on=lambda: True)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(work)
        assert endpoint.has_request.wait(10)
        endpoint.has_request.clear()
        hook(incident, carol, endpoint)
        nudged = runs.join("webhook", may_go_on=lambda: True)
        arrived = endpoint.has_request.wait(0.4)  # less than until a run looks by itself
        endpoint.may_answer.set()

        assert (nudged, arrived) == (0, True)
        assert run.result(20) == 2


def test_after_a_run_the_next_nudge_runs_itself(mailbox: Mailbox, incident: Incident):
    runs = ChannelRuns()
    runs.join("email", may_go_on=lambda: True)
    NotificationFactory(incident=incident)

    assert runs.join("email", may_go_on=lambda: True) == 1


def test_a_run_that_fails_leaves_the_channel_free(
    mailbox: Mailbox, incident: Incident, monkeypatch: pytest.MonkeyPatch
):
    runs = ChannelRuns()
    NotificationFactory(incident=incident)
    with pytest.raises(KeyError):
        runs.join("no such channel", may_go_on=lambda: True)

    assert runs.join("email", may_go_on=lambda: True) == 1


def test_other_channels_do_not_wait(
    endpoint: Endpoint, mailbox: Mailbox, incident: Incident, bob: User
):
    runs = ChannelRuns()
    hook(incident, bob, endpoint)
    NotificationFactory(incident=incident, user=bob)
    endpoint.may_answer.clear()
    ended = threading.Event()

    def work() -> None:
        try:
            runs.join("webhook", may_go_on=lambda: True)
        finally:
            connection.close()
            ended.set()

    threading.Thread(target=work).start()
    assert endpoint.has_request.wait(10)
    count = runs.join("email", may_go_on=lambda: True)
    endpoint.may_answer.set()

    assert count == 1
    assert ended.wait(20)
