"""A provider that asks for patience gets it: from everybody, and at no page's expense."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from bench.stand_ins import sendgrid
from bench.stand_ins.server import Reply, json_reply
from bench.stand_ins.slack import SlackStandIn
from incidents.models import Incident
from incidents.services.lifecycle import acknowledge_incidents
from notifications import breakers, holds
from notifications.breakers import Guard
from notifications.channels.email import EmailChannel
from notifications.holds import held_until, hold
from notifications.limits import account_slot
from notifications.models import Destination, Notification, PostedMessage
from notifications.models import Provider as Account
from notifications.providers.base import ProviderConfig
from notifications.services.accounts import config_of
from notifications.services.delivery import deliver_due
from notifications.services.post_edits import edit_posts
from notifications.services.provider_accounts import AccountValues, update_account
from notifications.services.provider_trials import try_account
from notifications.services.routing import Route, send_message
from opsknight.models import User
from opsknight.prompt_redis import prompt_redis
from tests.factories import ContactMethodFactory, IncidentFactory, NotificationFactory, UserFactory
from tests.notifications.providers import Endpoint
from tests.notifications.slack import page_place
from tests.notifications.test_email import PAGE

pytestmark = pytest.mark.django_db
State = Notification.State
Wait = Notification.Wait
BUSY = Reply(429, b"{}", {"Retry-After": "90"})
FORBIDDEN = json_reply({"errors": [{"message": "The from address is not verified."}]}, 403)


@pytest.fixture(autouse=True)
def empty_redis(settings: Settings) -> Iterator[None]:
    settings.BREAKER_FAILURES = 3
    settings.BREAKER_SECONDS = 30
    prompt_redis().flushdb()
    yield
    prompt_redis().flushdb()


class MailService(sendgrid.SendGrid):
    """SendGrid, and an account there."""

    def account(self, key: str, per_minute: int | None = None) -> ProviderConfig:
        values = {"api_url": self.url, "api_key": sendgrid.API_KEY}
        return ProviderConfig(key, "sendgrid", key, values, per_minute)


@pytest.fixture
def services() -> Iterator[list[MailService]]:
    with ExitStack() as stack:
        running = [MailService(), MailService()]
        for service in running:
            stack.enter_context(service.running())
        yield running


def send(*accounts: ProviderConfig) -> Route:
    return send_message(
        EmailChannel().render([PAGE]),
        channel="email",
        accounts=accounts,
        idempotency_key=PAGE.idempotency_key,
    )


def become_another_worker() -> None:
    """Know only what Redis knows."""
    for known in (holds._held, holds._since, holds._asked_at, holds._free_until):
        known.clear()


def test_an_account_that_asks_for_patience_is_left_alone_by_every_worker_and_another_takes_over(
    services: list[MailService],
):
    first, second = services
    accounts = (first.account("first"), second.account("second"))
    first.faults.append(BUSY)

    routes = [send(*accounts), send(*accounts)]
    become_another_worker()
    routes.append(send(*accounts))

    assert [route.account for route in routes] == [accounts[1]] * 3
    assert (len(first.requests), len(second.requests)) == (1, 3)


@pytest.mark.parametrize("loss", ["emptied", "gone"])
def test_this_process_remembers_patience_without_redis(
    services: list[MailService], settings: Settings, loss: str
):
    account = services[0].account("only")
    services[0].faults.append(BUSY)
    send(account)
    prompt_redis().flushdb()
    present = settings.REDIS_URL
    if loss == "gone":
        settings.REDIS_URL = "unix:///nowhere/redis.sock"
        prompt_redis.cache_clear()
    try:
        route = send(account)
    finally:
        settings.REDIS_URL = present
        prompt_redis.cache_clear()

    assert route.postponed is not None
    assert len(services[0].requests) == 1


def test_the_longer_patience_counts_and_ends():
    now = time.time()
    hold("x", until=now + 60)
    hold("x", until=now + 5)
    become_another_worker()
    found = held_until("x", now=now)

    over = held_until("x", now=now + 61)
    set_back = held_until("x", now=now - 7200)

    assert found == pytest.approx(now + 60)
    assert over is None
    assert set_back is None


def test_pages_wait_for_a_busy_account_without_losing_attempts_and_it_does_not_count_as_failing(
    services: list[MailService], settings: Settings, incident: Incident
):
    settings.PROVIDERS_FROM_ENV = {"sendgrid": dict(services[0].account("x").values)}
    pages = [NotificationFactory(incident=incident, user=UserFactory()) for _ in range(30)]
    services[0].faults.extend([BUSY] * 30)

    deliver_due(channel="email")

    rows = Notification.objects.filter(pk__in=[page.pk for page in pages])
    assert set(rows.values_list("state", "waits_for", "attempts")) == {
        (State.PENDING, Wait.BREAKER, 0)
    }
    assert rows.filter(due_at__lte=timezone.now() + timedelta(seconds=50)).count() == 0
    # No page asks again what its neighbours have learned.
    assert len(services[0].requests) <= 20
    states = breakers.breaker_states()
    assert states is not None
    assert [(s.state, s.failures) for s in states] == [("closed", 1)]
    asked = rows.filter(delivery_attempts__detail__startswith="SendGrid answered 429")
    assert asked.count() == len(services[0].requests)


def test_an_address_that_asks_for_patience_holds_back_no_other_address(
    endpoint: Endpoint, incident: Incident
):
    endpoint.answers = [429]
    endpoint.answer_headers = {"Retry-After": "90"}
    kept = [hook(incident, endpoint.url) for _ in range(3)]
    deliver_due(channel="webhook")
    endpoint.answer_headers = {}
    kept.append(hook(incident, endpoint.url))
    free = hook(incident, endpoint.url + "/other")

    deliver_due(channel="webhook")

    free.refresh_from_db()
    assert free.state == State.DELIVERED
    kept[-1].refresh_from_db()
    assert (kept[-1].state, kept[-1].waits_for) == (State.PENDING, Wait.LIMIT)
    assert kept[-1].due_at > timezone.now() + timedelta(seconds=60)
    assert kept[-1].attempts == 0


def hook(incident: Incident, url: str) -> Notification:
    user = UserFactory()
    method = ContactMethodFactory(user=user, channel="webhook", address=url)
    return NotificationFactory(
        incident=incident, user=user, channel="webhook", address=url, contact_method=method
    )


@pytest.mark.parametrize("how", ["corrected", "seen to work"])
def test_an_account_that_was_corrected_or_works_is_left_alone_no_longer_by_any_worker(
    services: list[MailService],
    incident: Incident,
    alice: User,
    how: str,
    django_capture_on_commit_callbacks: Any,
):
    account, config = entered(services[0])
    page = NotificationFactory(incident=incident, user=UserFactory())
    services[0].faults.append(BUSY)
    deliver_due(channel="email")
    for _ in range(3):
        breakers.report(Guard(config.key, config.name, "email"), error="Answered 500.")
    others = dict(holds._held), dict(holds._since)
    left_alone = send(config)

    with django_capture_on_commit_callbacks(execute=True):
        if how == "corrected":
            update_account(pk=account.pk, values=values_of(account), actor=alice)
        else:
            try_account(config=config, channel="email", address="ann@example.com", actor=alice)

    holds._held.update(others[0])  # what another worker remembers
    holds._since.update(others[1])
    assert left_alone.postponed is not None
    assert send(config).account == config
    page.refresh_from_db()
    assert page.due_at <= timezone.now() + timedelta(seconds=6)
    states = breakers.breaker_states()
    assert states is not None
    assert [(s.state, s.failures) for s in states] == [("closed", 0)]


def test_what_is_learned_of_an_account_while_it_is_being_corrected_does_not_count(
    services: list[MailService], alice: User, django_capture_on_commit_callbacks: Any
):
    account, config = entered(services[0])
    with django_capture_on_commit_callbacks(execute=True):
        update_account(pk=account.pk, values=values_of(account), actor=alice)
    services[0].faults.extend([BUSY, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN])

    for _ in range(5):  # as it was: not every worker has read it anew
        send(config)

    assert send(config).account == config


def entered(service: MailService) -> tuple[Account, ProviderConfig]:
    """An account in the admin, and as it is used."""
    account = Account.objects.create(
        kind="sendgrid",
        name="Mail",
        settings={"api_url": service.url},
        secrets=json.dumps({"api_key": sendgrid.API_KEY}),
    )
    return account, config_of(account)


def values_of(account: Account) -> AccountValues:
    return {
        "name": account.name,
        "position": account.position,
        "enabled": True,
        "per_minute": None,
        "settings": account.settings,
        "secrets": {},
    }


def test_an_open_breaker_costs_no_slot_and_a_full_minute_keeps_no_probe(
    services: list[MailService], settings: Settings
):
    account = services[0].account("only", per_minute=1)
    guard = Guard("only", "only", "email")
    for _ in range(3):
        breakers.report(guard, error="Answered 500.")

    shut = send(account)  # takes no slot
    settings.BREAKER_SECONDS = 0
    taken = send(account)  # the probe
    settings.BREAKER_SECONDS = 30
    for _ in range(3):
        breakers.report(guard, error="Answered 500.")
    settings.BREAKER_SECONDS = 0
    full = send(account)  # gives the probe back

    assert [r.postponed and r.postponed.wait for r in (shut, taken, full)] == [
        Wait.BREAKER,
        None,
        Wait.LIMIT,
    ]
    assert breakers.free_at(guard, now=time.time()) is None


def test_what_one_account_may_never_carry_waits_for_another_that_is_busy_or_down(
    services: list[MailService],
):
    message = EmailChannel().render([PAGE])
    busy, never = services[0].account("busy"), ProviderConfig("never", "twilio", "never", {})
    services[0].faults.extend([BUSY, Reply(503)])

    waits = send_message(
        message,
        channel="sms",
        accounts=(busy, never),
        idempotency_key=PAGE.idempotency_key,
    )
    holds.forget_holds()
    down = send_message(
        message,
        channel="sms",
        accounts=(busy, never),
        idempotency_key=PAGE.idempotency_key,
    )

    assert waits.postponed is not None
    assert waits.error is None
    assert down.error is not None
    assert not down.error.permanent


def test_edits_keep_to_the_breaker_of_their_account_and_never_hold_back_pages(
    slack: SlackStandIn, room: Destination, incident: Incident, bob: User
):
    page_place(incident, room)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)
    calls = len(slack.requests)
    for _ in range(3):
        breakers.report(Guard("env:slack", "Slack", "slack"), error="Answered 500.")
    edit_posts(now=timezone.now())
    post = PostedMessage.objects.get()
    assert (post.shown, post.edits_failed, len(slack.requests)) == ("triggered", 0, calls)
    assert post.edit_at is not None
    assert post.edit_at > timezone.now() + timedelta(seconds=20)
    prompt_redis().flushdb()
    breakers._clean_until.clear()
    slack.faults.append(json_reply({"ok": False, "error": "ratelimited"}, 429, retry_after="50"))
    for _ in range(4):
        PostedMessage.objects.update(edit_at=None)
        edit_posts(now=timezone.now())

    page = page_place(IncidentFactory(), room)

    assert page.state == State.DELIVERED
    post.refresh_from_db()
    assert (post.shown, post.edits_failed) == ("triggered", 0)
    assert len(slack.requests) == calls + 2  # of the edits only the first was tried


def test_of_an_account_s_minute_edits_leave_a_share_to_pages():
    now = time.time()

    edits = [account_slot("a", 5, is_page=False, now=now) is None for _ in range(5)]
    page = account_slot("a", 5, now=now)

    assert edits == [True] * 4 + [False]
    assert page is None


def test_of_those_who_hear_the_same_at_once_one_counts_it():
    until = time.time() + 60
    with ThreadPoolExecutor(8) as threads:
        for number in range(60):
            name, begin = f"account-{number}", Barrier(8)

            def hear(at: int, name: str = name, begin: Barrier = begin) -> bool:
                begin.wait()
                return holds.hold(name, until=until + at / 1000)

            assert sum(threads.map(hear, range(8))) == 1
