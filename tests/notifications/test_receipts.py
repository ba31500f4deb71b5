"""What providers say afterwards about messages that they took."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import acknowledge_incidents
from notifications.message_words import outcome_of
from notifications.models import ContactMethod, Notification
from notifications.providers.base import Receipt
from notifications.services import unreached
from notifications.services.receipts import record_receipts, take_receipts
from opsknight.models import User
from tests.factories import ContactMethodFactory, NotificationFactory

pytestmark = pytest.mark.django_db
State = Notification.State

DELIVERED = Receipt("m1", True)
BOUNCED = Receipt("m1", False, "Mailbox unknown", breaks_address=True)


def sent_page(incident: Incident, user: User, **values: object) -> Notification:
    """A page that the account 7 took as message m1."""
    given = {
        "state": State.SENT,
        "finished_at": timezone.now(),
        "provider": "7",
        "provider_message_id": "m1",
    }
    return NotificationFactory(incident=incident, user=user, **(given | values))


def record(*receipts: Receipt, keys: tuple[str, ...] = ("7",)) -> set[str]:
    return record_receipts(provider_keys=keys, receipts=receipts, now=timezone.now())


def state_of(page: Notification) -> str:
    page.refresh_from_db()
    return page.state


def messages(incident: Incident) -> list[str]:
    return list(TimelineEntry.objects.filter(incident=incident).values_list("message", flat=True))


@pytest.fixture
def lost_causes() -> Iterator[list[tuple[int, str]]]:
    """What handlers are told about causes that reached nobody."""
    told: list[tuple[int, str]] = []

    def handler(lost: set[tuple[int, str]], now: object) -> None:
        told.extend(lost)

    unreached.on_unreached(handler)
    yield told
    unreached._handlers.remove(handler)


def test_a_receipt_of_delivery_moves_a_sent_page_to_delivered(incident: Incident, bob: User):
    page = sent_page(incident, bob)

    unknown = record(DELIVERED)

    assert state_of(page) == State.DELIVERED
    assert unknown == set()
    assert messages(incident) == []


def test_d7_a_page_knows_how_late_it_was_delivered(incident: Incident, bob: User):
    now = timezone.now()
    sent_at = now - timedelta(minutes=5)
    page = sent_page(incident, bob, created_at=sent_at, finished_at=sent_at)

    take_receipts(provider_keys=["7"], receipts=[DELIVERED], now=now)

    page.refresh_from_db()
    assert page.finished_at == now
    assert outcome_of(page) == "Delivered (after 5m)"


def test_a_page_of_which_nobody_knows_when_it_arrived_keeps_its_time(incident: Incident, bob: User):
    sent_at = timezone.now() - timedelta(minutes=11)
    page = sent_page(incident, bob, finished_at=sent_at)

    record(DELIVERED)

    page.refresh_from_db()
    assert page.finished_at == sent_at


def test_a_bounce_fails_the_page_and_says_why(incident: Incident, bob: User):
    page = sent_page(incident, bob)

    record(BOUNCED)

    assert state_of(page) == State.FAILED
    assert page.last_error == "Mailbox unknown"
    assert messages(incident) == [
        "Page to Bob by e-mail failed: Mailbox unknown. No other way is left."
    ]


def test_a_bounce_makes_the_next_way_due_at_once(incident: Incident, bob: User):
    sent_page(incident, bob, address="other@example.com")
    later = NotificationFactory(
        incident=incident,
        user=bob,
        channel="webhook",
        address="https://example.com/",
        delay_minutes=10,
        due_at=timezone.now() + timedelta(minutes=10),
    )

    record(BOUNCED)

    later.refresh_from_db()
    assert later.due_at <= timezone.now()
    assert messages(incident)[0].endswith("Trying by webhook now.")


def test_a_bounce_without_another_way_falls_back_to_the_address_of_the_account(
    incident: Incident, bob: User
):
    sent_page(incident, bob, address="other@example.com")

    record(BOUNCED)

    fallback = Notification.objects.get(state=State.PENDING)
    assert (fallback.channel, fallback.address) == ("email", "bob@example.com")


def test_a_bounce_of_a_dead_address_switches_the_method_off(incident: Incident, bob: User):
    method = ContactMethodFactory(user=bob, address="gone@example.com")
    sent_page(incident, bob, contact_method=method, address=method.address)

    record(BOUNCED)

    method = ContactMethod.objects.get(pk=method.pk)
    assert (method.enabled, method.broken_reason) == (False, "Mailbox unknown")


def test_a_bounce_that_blames_something_else_leaves_the_method_on(incident: Incident, bob: User):
    method = ContactMethodFactory(user=bob, address="full@example.com")
    sent_page(incident, bob, contact_method=method, address=method.address)

    record(Receipt("m1", False, "Mailbox full"))

    method.refresh_from_db()
    assert method.enabled


def test_the_escalation_hears_of_a_cause_whose_last_page_bounced(
    incident: Incident, bob: User, lost_causes: list[tuple[int, str]]
):
    sent_page(incident, bob)

    record(BOUNCED)

    assert lost_causes == [(incident.pk, "step:0:0:0")]


def test_a_bounce_after_the_acknowledgement_tries_no_other_way(
    incident: Incident, bob: User, lost_causes: list[tuple[int, str]]
):
    page = sent_page(incident, bob, address="other@example.com")
    acknowledge_incidents(incident_ids=[incident.pk], actor=bob)

    record(BOUNCED)

    assert state_of(page) == State.FAILED
    assert Notification.objects.count() == 1
    assert messages(incident)[-1].endswith("It is not needed any more.")
    assert lost_causes == []


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        ([DELIVERED, DELIVERED], State.DELIVERED),
        ([BOUNCED, BOUNCED], State.FAILED),
        ([BOUNCED, DELIVERED], State.FAILED),  # the other way has been taken already
        ([DELIVERED, BOUNCED], State.FAILED),  # servers take mail and send it back later
        ([Receipt("m1", None, "deferred"), DELIVERED], State.DELIVERED),
        ([DELIVERED, Receipt("m1", None, "deferred")], State.DELIVERED),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_receipts_in_any_order_and_number_come_to_the_same(
    incident: Incident, bob: User, receipts: list[Receipt], expected: State, together: bool
):
    page = sent_page(incident, bob)

    if together:
        record(*receipts)
    else:
        for receipt in receipts:
            record(receipt)

    assert state_of(page) == expected
    assert len(messages(incident)) == (1 if expected == State.FAILED else 0)


@pytest.mark.parametrize("state", [State.CANCELLED, State.FAILED, State.SANDBOXED])
@pytest.mark.parametrize("receipt", [DELIVERED, BOUNCED])
def test_a_receipt_changes_no_page_that_ended_otherwise(
    incident: Incident, bob: User, state: State, receipt: Receipt
):
    page = sent_page(incident, bob, state=state)

    record(receipt)

    assert state_of(page) == state


def test_a_receipt_of_an_unknown_message_is_reported_and_harmless(incident: Incident, bob: User):
    page = sent_page(incident, bob)

    unknown = record(Receipt("m2", False, "Gone", breaks_address=True))

    assert unknown == {"m2"}
    assert state_of(page) == State.SENT


def test_an_account_cannot_speak_for_the_messages_of_another(incident: Incident, bob: User):
    page = sent_page(incident, bob)

    unknown = record(BOUNCED, keys=("8",))

    assert unknown == {"m1"}
    assert state_of(page) == State.SENT


def test_a_receipt_without_a_number_touches_no_row_without_one(incident: Incident, bob: User):
    page = sent_page(incident, bob, provider_message_id="")

    record(Receipt("", False, "Gone"))

    assert state_of(page) == State.SENT


def test_one_receipt_moves_all_pages_of_a_bundle(incident: Incident, bob: User):
    pages = [sent_page(incident, bob, cause=f"step:0:0:{n}") for n in range(3)]

    record(DELIVERED)

    assert {state_of(page) for page in pages} == {State.DELIVERED}


def test_a_notice_that_bounces_writes_on_no_timeline(bob: User):
    page = NotificationFactory(
        incident=None,
        user=bob,
        reason=Notification.Reason.ON_CALL,
        subject="You are on call",
        state=State.SENT,
        finished_at=timezone.now(),
        provider="7",
        provider_message_id="m1",
    )

    record(BOUNCED)

    assert state_of(page) == State.FAILED
    assert Notification.objects.count() == 1
