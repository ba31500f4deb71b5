"""One run for each channel in a process."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from incidents.models import Incident
from notifications.channels import CHANNELS
from notifications.models import Notification
from notifications.services.runs import ChannelRuns
from opsknight.models import User
from tests.factories import ContactMethodFactory, NotificationFactory, UserFactory
from tests.notifications.providers import Endpoint, Mailbox, running_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def hook(incident: Incident, user: User, endpoint: Endpoint, path: str = "") -> Notification:
    url = endpoint.url + path
    method = ContactMethodFactory(user=user, channel="webhook", address=url)
    return NotificationFactory(
        incident=incident, user=user, channel="webhook", address=url, contact_method=method
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


@pytest.mark.parametrize("paths", ["one address", "many addresses"])
def test_a_host_that_hangs_leaves_senders_to_the_others_and_loses_nothing(
    endpoint: Endpoint, incident: Incident, paths: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("notifications.senders.SLOW_SECONDS", 0.2)
    parallel = CHANNELS["webhook"].parallel
    for n in range(parallel + 10):
        hook(incident, UserFactory(), endpoint, f"/{n}" if paths == "many addresses" else "")
    endpoint.may_answer.clear()

    with running_endpoint() as other, ThreadPoolExecutor(1) as pool:
        hook(incident, UserFactory(), other)
        run = pool.submit(join, ChannelRuns())
        arrived = other.has_request.wait(10)
        time.sleep(0.6)  # the run looks again
        kept = len(endpoint.requests)
        endpoint.may_answer.set()

        assert arrived
        assert kept == parallel
        assert run.result(20) == parallel + 11

    rows = Notification.objects.values_list("state", "attempts").distinct()
    assert set(rows) == {("delivered", 1)}


def test_a_run_whose_time_is_over_does_not_keep_others_waiting_for_its_last_calls(
    endpoint: Endpoint, incident: Incident, bob: User, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("notifications.senders.SLOW_SECONDS", 0.1)
    monkeypatch.setattr("notifications.services.delivery.RUN_SECONDS", 0.1)
    runs = ChannelRuns()
    hook(incident, bob, endpoint)
    endpoint.may_answer.clear()

    with running_endpoint() as other, ThreadPoolExecutor(1) as pool:
        run = pool.submit(join, runs)
        assert endpoint.has_request.wait(10)
        time.sleep(0.1)  # its time is over
        hook(incident, UserFactory(), other)
        while not other.has_request.wait(0.05) and not run.done():
            runs.join("webhook", may_go_on=lambda: True)
        hung = not run.done()
        endpoint.may_answer.set()

        assert hung
        assert run.result(20) == 1


def join(runs: ChannelRuns) -> int:
    try:
        return runs.join("webhook", may_go_on=lambda: True)
    finally:
        connection.close()
