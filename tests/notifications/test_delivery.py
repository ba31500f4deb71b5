"""From the outbox to the provider, and what is written down about it."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import acknowledge_incidents, reassign_incident
from notifications.channels import CHANNELS
from notifications.channels.base import Page
from notifications.models import ContactMethod, DeliveryAttempt, Notification, SandboxMessage
from notifications.services.accounts import accounts_for
from notifications.services.claimed import MAX_ATTEMPTS
from notifications.services.claims import claim_pages
from notifications.services.delivery import deliver_due, send_parcel
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.outcomes import Outcome, record_outcomes
from notifications.services.settling import cancel_settled_pages
from opsknight.models import AuditEntry, User
from tests.factories import (
    ContactMethodFactory,
    NotificationFactory,
    NotificationRuleFactory,
    UserFactory,
)
from tests.notifications.providers import Endpoint, Mailbox

pytestmark = pytest.mark.django_db
State = Notification.State


def messages(incident: Incident) -> list[str]:
    return list(TimelineEntry.objects.filter(incident=incident).values_list("message", flat=True))


def make_due(page: Notification) -> None:
    """Let a back-off be over."""
    Notification.objects.filter(pk=page.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def expire_lease(page: Notification) -> None:
    """What time does after a worker died."""
    Notification.objects.filter(pk=page.pk).update(
        leased_until=timezone.now() - timedelta(seconds=1)
    )


def hook_of(user: User, endpoint: Endpoint, delay: int = 0) -> ContactMethod:
    method = ContactMethodFactory(
        user=user, channel="webhook", address=endpoint.url, secret="s3cret"
    )
    NotificationRuleFactory(contact_method=method, delay_minutes=delay)
    return method


def send(channel: str, page: Page) -> list[Outcome]:
    return send_parcel(CHANNELS[channel], [page], accounts_for(channel))


def page_person(incident: Incident, user: User) -> None:
    request = PageRequest(incident.pk, user.pk, Notification.Reason.ESCALATION, "step:0:0:0")
    with transaction.atomic():
        queue_pages(requests=[request], now=timezone.now())


def test_a_due_page_is_mailed_and_recorded(mailbox: Mailbox, incident: Incident, bob: User):
    page = NotificationFactory(incident=incident, user=bob)

    assert deliver_due(channel="email") == 1

    page.refresh_from_db()
    assert (page.state, page.attempts, page.leased_until) == (State.SENT, 1, None)
    assert mailbox.recipients == ["bob@example.com"]
    assert messages(incident) == ["Page sent to Bob by e-mail"]
    assert page.delivery_attempts.get().outcome == DeliveryAttempt.Outcome.SENT


def test_a_page_that_is_not_due_stays(mailbox: Mailbox, incident: Incident):
    NotificationFactory(incident=incident, due_at=timezone.now() + timedelta(minutes=1))

    assert deliver_due(channel="email") == 0

    assert mailbox.mails == []


def test_running_again_sends_nothing_again(mailbox: Mailbox, incident: Incident):
    NotificationFactory(incident=incident)
    deliver_due(channel="email")

    deliver_due(channel="email")

    assert len(mailbox.mails) == 1


def test_a_notice_in_the_app_is_delivered_without_an_entry(incident: Incident, bob: User):
    notice = NotificationFactory(incident=incident, user=bob, channel="in_app", address="")

    deliver_due(channel="in_app")

    notice.refresh_from_db()
    assert notice.state == State.DELIVERED
    assert messages(incident) == []


def test_without_a_mail_server_the_message_is_kept_in_the_sandbox(
    settings: Settings, incident: Incident, bob: User
):
    settings.EMAIL_URL = ""
    page = NotificationFactory(incident=incident, user=bob)

    deliver_due(channel="email")

    page.refresh_from_db()
    assert page.state == State.SANDBOXED
    message = SandboxMessage.objects.get(notification=page)
    assert message.subject == f"[OpsKnight] #{incident.pk} High: Error rate above 5 %"
    assert "\r\nTo: Bob <bob@example.com>\r\n" in message.raw
    assert messages(incident) == [
        "Page to Bob by e-mail kept in the sandbox: no provider is configured"
    ]


def test_acknowledging_cancels_what_was_not_sent(mailbox: Mailbox, incident: Incident, bob: User):
    method = ContactMethodFactory(user=bob)
    NotificationRuleFactory(contact_method=method)
    NotificationRuleFactory(contact_method=method, delay_minutes=30)
    page_person(incident, bob)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    cancel_settled_pages()

    assert set(Notification.objects.values_list("state", flat=True)) == {State.CANCELLED}
    assert messages(incident) == ["Acknowledged by Bob", "2 pages cancelled"]


def test_the_claim_itself_notices_an_acknowledgement(
    mailbox: Mailbox, incident: Incident, bob: User
):
    page = NotificationFactory(incident=incident, user=bob)
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    deliver_due(channel="email")

    page.refresh_from_db()
    assert page.state == State.CANCELLED
    assert mailbox.mails == []
    assert messages(incident) == ["Acknowledged by Bob", "1 page cancelled"]


def test_an_assignment_is_told_although_acknowledged(
    mailbox: Mailbox, incident: Incident, alice: User, bob: User
):
    acknowledge_incidents(incident_ids=[incident.pk], actor=alice)
    reassign_incident(incident_id=incident.pk, actor=alice, assignee=bob)
    NotificationFactory(incident=incident, user=bob, reason="assignment", cause="assigned:1")

    deliver_due(channel="email")

    assert "assigned to you" in mailbox.mails[0].get_body(("plain",)).get_content()


@pytest.mark.parametrize("way", ["claim", "sweep"])
def test_a_person_whose_account_was_disabled_is_not_paged(
    mailbox: Mailbox, incident: Incident, bob: User, way: str
):
    page = NotificationFactory(incident=incident, user=bob)
    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    if way == "claim":
        deliver_due(channel="email")
    else:
        cancel_settled_pages()

    page.refresh_from_db()
    assert page.state == State.CANCELLED


def test_c5_one_address_gets_one_page_when_several_became_due_together(
    mailbox: Mailbox, incident: Incident, bob: User
):
    for delay in (1, 2):
        NotificationFactory(incident=incident, user=bob, delay_minutes=delay)

    deliver_due(channel="email")

    assert len(mailbox.mails) == 1
    states = sorted(Notification.objects.values_list("state", flat=True))
    assert states == [State.CANCELLED, State.SENT]
    assert messages(incident) == ["Page sent to Bob by e-mail"]


def test_d11_a_killed_worker_leaves_a_page_that_is_sent_again_and_says_so(
    mailbox: Mailbox, incident: Incident, bob: User
):
    page = NotificationFactory(incident=incident, user=bob)
    (claimed,) = claim_pages(channel="email", limit=10)
    expire_lease(page)

    deliver_due(channel="email")

    page.refresh_from_db()
    assert (page.state, page.attempts, page.maybe_duplicate) == (State.SENT, 2, True)
    assert page.idempotency_key == claimed.idempotency_key
    assert claimed.idempotency_key.hex in mailbox.mails[0]["Message-ID"]
    assert "received this page before" in mailbox.mails[0].get_body(("plain",)).get_content()
    outcomes = list(page.delivery_attempts.values_list("outcome", flat=True))
    assert outcomes == [DeliveryAttempt.Outcome.UNKNOWN, DeliveryAttempt.Outcome.SENT]


def test_a_lease_that_holds_is_respected(mailbox: Mailbox, incident: Incident):
    NotificationFactory(incident=incident)
    claim_pages(channel="email", limit=10)

    assert claim_pages(channel="email", limit=10) == []


def test_a_worker_that_lost_its_lease_cannot_overwrite(
    mailbox: Mailbox, incident: Incident, bob: User
):
    page = NotificationFactory(incident=incident, user=bob)
    (slow,) = claim_pages(channel="email", limit=10)
    expire_lease(page)
    (quick,) = claim_pages(channel="email", limit=10)
    mailbox.rcpt_answers = ["450 busy"]
    late = send("email", slow)
    record_outcomes(send("email", quick))

    record_outcomes(late)

    page.refresh_from_db()
    assert page.state == State.SENT
    assert page.last_error == ""


def test_a_page_that_kills_every_worker_is_given_up(incident: Incident, bob: User):
    page = NotificationFactory(
        incident=incident,
        user=bob,
        state=State.SENDING,
        leased_until=timezone.now() - timedelta(seconds=1),
        attempts=MAX_ATTEMPTS,
    )

    deliver_due(channel="email")

    page.refresh_from_db()
    assert page.state == State.FAILED


def test_d12_a_webhook_is_tried_until_it_answers_2xx(
    endpoint: Endpoint, incident: Incident, bob: User
):
    hook_of(bob, endpoint)
    page_person(incident, bob)
    page = Notification.objects.get(channel="webhook")
    endpoint.answers = [500, 500, 200]

    for _ in range(4):
        deliver_due(channel="webhook")
        make_due(page)

    page.refresh_from_db()
    assert (page.state, page.attempts) == (State.DELIVERED, 3)
    assert len({request.headers["idempotency-key"] for request in endpoint.requests}) == 1
    assert len(endpoint.requests) == 3
    assert messages(incident) == ["Page sent to Bob by webhook"]


def test_a_transient_failure_waits_before_the_next_attempt(
    endpoint: Endpoint, incident: Incident, bob: User
):
    hook_of(bob, endpoint)
    page_person(incident, bob)
    endpoint.answers = [503]

    deliver_due(channel="webhook")

    page = Notification.objects.get(channel="webhook")
    assert page.state == State.PENDING
    assert page.last_error == "Answered 503."
    wait = (page.due_at - timezone.now()).total_seconds()
    assert 2 < wait <= 6
    assert messages(incident) == []


def test_retry_after_is_honoured(endpoint: Endpoint, incident: Incident, bob: User):
    hook_of(bob, endpoint)
    page_person(incident, bob)
    endpoint.answers = [429]
    endpoint.answer_headers = {"Retry-After": "120"}

    deliver_due(channel="webhook")

    page = Notification.objects.get(channel="webhook")
    assert 110 < (page.due_at - timezone.now()).total_seconds() <= 120


def test_d12_an_address_that_is_gone_is_switched_off_and_the_next_way_taken_at_once(
    endpoint: Endpoint, mailbox: Mailbox, incident: Incident, bob: User
):
    hook = hook_of(bob, endpoint)
    NotificationRuleFactory(
        contact_method__user=bob, contact_method__address="next@home.example", delay_minutes=30
    )
    page_person(incident, bob)
    endpoint.answers = [410]

    deliver_due(channel="webhook")
    deliver_due(channel="email")

    hook.refresh_from_db()
    assert (hook.enabled, hook.broken_reason) == (False, "Answered 410.")
    assert AuditEntry.objects.filter(action="contact_method.broken").exists()
    # Side by side: which comes first is chance.
    subjects = {mail["To"].addresses[0].addr_spec: mail["Subject"] for mail in mailbox.mails}
    assert set(subjects) == {"next@home.example", "bob@example.com"}
    assert "You are not paged any more" in subjects["bob@example.com"]
    assert messages(incident) == [
        "Page to Bob by webhook failed: Answered 410. Trying by e-mail now.",
        "Page sent to Bob by e-mail",
    ]


def test_t4_without_another_way_the_account_address_is_used(
    endpoint: Endpoint, mailbox: Mailbox, incident: Incident, bob: User
):
    hook_of(bob, endpoint)
    page_person(incident, bob)
    endpoint.answers = [410]

    deliver_due(channel="webhook")
    deliver_due(channel="email")

    assert mailbox.recipients == ["bob@example.com"] * 2  # the page, and why it came by mail


def test_a_dead_account_address_ends_the_ways(mailbox: Mailbox, incident: Incident, bob: User):
    NotificationFactory(incident=incident, user=bob)
    mailbox.rcpt_answers = [f"550 5.1.1 <{bob.email}>: no such user"]

    deliver_due(channel="email")

    assert Notification.objects.get().state == State.FAILED
    # The whole team reads this, and one's address is one's own business.
    assert messages(incident) == [
        "Page to Bob by e-mail failed: The mail server refuses the address: "
        "550 5.1.1 <…>: no such user. No other way is left."
    ]


def test_t4_after_the_last_attempt_the_next_way_is_taken(
    endpoint: Endpoint, incident: Incident, bob: User
):
    hook = hook_of(bob, endpoint)
    page_person(incident, bob)
    Notification.objects.filter(channel="webhook").update(attempts=MAX_ATTEMPTS - 1)
    endpoint.answers = [500]

    deliver_due(channel="webhook")

    assert Notification.objects.get(channel="webhook").state == State.FAILED
    assert Notification.objects.get(channel="email").address == "bob@example.com"
    hook.refresh_from_db()
    assert hook.enabled


def test_a_way_that_was_switched_off_meanwhile_is_not_used_and_the_timeline_says_so(
    endpoint: Endpoint, incident: Incident, bob: User
):
    hook = hook_of(bob, endpoint)
    page_person(incident, bob)
    ContactMethod.objects.filter(pk=hook.pk).update(enabled=False)

    deliver_due(channel="webhook")

    assert endpoint.requests == []
    assert messages(incident) == [
        "Page to Bob by webhook failed: This contact method cannot be used: its owner switched it "
        "off. Trying by e-mail to the account's address now."
    ]


def test_a_removed_contact_method_is_not_used(mailbox: Mailbox, incident: Incident, bob: User):
    method = NotificationRuleFactory(contact_method__user=bob).contact_method
    page_person(incident, bob)
    method.delete()

    deliver_due(channel="email")

    assert mailbox.recipients == ["bob@example.com"]


def test_a_lost_encryption_key_stops_only_the_pages_signed_with_it(
    endpoint: Endpoint, incident: Incident, bob: User
):
    broken, fine = hook_of(bob, endpoint), hook_of(UserFactory(name="Dan"), endpoint)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE notifications_contactmethod SET secret = 'nonsense' WHERE id = %s",
            [broken.pk],
        )
    page_person(incident, bob)
    page_person(incident, fine.user)

    deliver_due(channel="webhook")

    states = dict(Notification.objects.filter(channel="webhook").values_list("user", "state"))
    assert states == {bob.pk: State.FAILED, fine.user_id: State.DELIVERED}


def test_a_defect_in_rendering_is_retried_and_stops_nobody_else(
    mailbox: Mailbox, incident: Incident, bob: User, monkeypatch: pytest.MonkeyPatch
):
    NotificationFactory(incident=incident, user=bob)
    NotificationFactory(incident=incident, user=UserFactory(name="Dan"))
    render = CHANNELS["email"].render
    monkeypatch.setattr(
        CHANNELS["email"],
        "render",
        lambda pages: render(pages) if pages[0].recipient.name == "Dan" else 1 / 0,
    )

    deliver_due(channel="email")

    states = dict(Notification.objects.values_list("user__name", "state"))
    assert states == {"Bob": State.PENDING, "Dan": State.SENT}


def test_queries_do_not_grow_with_the_batch(mailbox: Mailbox, incident: Incident):
    counts = []
    for people in (1, 8):
        for _ in range(people):
            NotificationFactory(incident=incident)
        pages = claim_pages(channel="email", limit=10)
        outcomes = [o for page in pages for o in send("email", page)]
        NotificationFactory.create_batch(people, incident=incident)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            claim_pages(channel="email", limit=10)
            record_outcomes(outcomes)
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_two_ways_that_fail_at_once_do_not_each_wait_for_the_other(
    mailbox: Mailbox, endpoint: Endpoint, incident: Incident, bob: User
):
    hook_of(bob, endpoint)
    NotificationRuleFactory(contact_method=ContactMethodFactory(user=bob))
    page_person(incident, bob)
    endpoint.answers, mailbox.rcpt_answers = [410], ["550 no such user"]
    by_webhook, by_mail = (
        [o for page in claim_pages(channel=name, limit=10) for o in send(name, page)]
        for name in ("webhook", "email")
    )

    def record() -> None:
        try:
            record_outcomes(by_mail)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            record_outcomes(by_webhook)
            other = pool.submit(record)
            wait([other], timeout=1)  # it must wait for us; if not, it has looked too early
        other.result(10)

    assert Notification.objects.filter(address=bob.email, state=State.PENDING).exists()


@pytest.mark.django_db(transaction=True)
def test_workers_in_parallel_never_send_a_page_twice(mailbox: Mailbox, incident: Incident):
    people = UserFactory.create_batch(60)
    for person in people:
        NotificationFactory(incident=incident, user=person)

    def work(_: int) -> int:
        try:
            return deliver_due(channel="email")
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(work, range(4)))

    assert sum(counts) == 60
    assert sorted(mailbox.recipients) == sorted(person.email for person in people)
    assert set(Notification.objects.values_list("state", flat=True)) == {State.SENT}


@pytest.mark.django_db(transaction=True)
def test_a_silent_endpoint_does_not_hold_back_the_others(
    endpoint: Endpoint, incident: Incident, bob: User
):
    hook_of(bob, endpoint)
    page_person(incident, bob)
    endpoint.may_answer.clear()

    def work() -> int:
        try:
            return deliver_due(channel="webhook")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(work)
        assert endpoint.has_request.wait(10)
        dan = UserFactory(name="Dan")
        hook_of(dan, endpoint)
        page_person(incident, dan)
        arrived = _wait_for_requests(endpoint, 2)
        endpoint.may_answer.set()

        assert arrived
        assert run.result(20) == 2


def _wait_for_requests(endpoint: Endpoint, count: int) -> bool:
    for _ in range(100):
        if len(endpoint.requests) >= count:
            return True
        endpoint.has_request.clear()
        endpoint.has_request.wait(0.1)
    return False


def test_a_worker_that_is_being_stopped_claims_no_more(mailbox: Mailbox, incident: Incident):
    for _ in range(CHANNELS["email"].parallel + 5):
        NotificationFactory(incident=incident)

    count = deliver_due(channel="email", may_go_on=lambda: False)

    assert count == CHANNELS["email"].parallel
    assert len(mailbox.mails) == count


@pytest.mark.django_db(transaction=True)
def test_t10_a_page_is_not_sent_in_the_books_without_its_line_on_the_timeline(
    mailbox: Mailbox, incident: Incident, bob: User
):
    page = NotificationFactory(incident=incident, user=bob)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger AS"
            " $$ BEGIN RAISE EXCEPTION 'the log is full'; END $$ LANGUAGE plpgsql;"
            "CREATE TRIGGER full_log BEFORE INSERT ON incidents_timelineentry"
            " FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    try:
        with pytest.raises(DatabaseError, match="the log is full"):
            deliver_due(channel="email")
        page.refresh_from_db()
        assert (page.state, page.delivery_attempts.count()) == (State.SENDING, 0)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse() CASCADE")

    expire_lease(page)
    deliver_due(channel="email")

    page.refresh_from_db()
    assert (page.state, page.maybe_duplicate) == (State.SENT, True)
    assert messages(incident) == [
        "Page sent to Bob by e-mail again; the first may have arrived too"
    ]
