"""The small numbers by which telephones name incidents."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from incidents.models import Incident
from incidents.services.lifecycle import resolve_incidents
from notifications.models import Notification, ReplyCode
from notifications.services.claims import claim_pages
from notifications.services.reply_codes import assign_reply_codes, choose_codes
from opsknight.models import User
from tests.factories import (
    ContactMethodFactory,
    DestinationFactory,
    IncidentFactory,
    NotificationFactory,
)

pytestmark = pytest.mark.django_db
PHONE, OTHER_PHONE = "+4915112345678", "+4915187654321"


def codes(address: str, *incidents: Incident) -> list[int]:
    pairs = [(address, incident.pk) for incident in incidents]
    given = assign_reply_codes(pairs=pairs, now=timezone.now())
    return [given[pair] for pair in pairs]


def test_e3_the_first_incident_is_1_and_the_second_open_one_2() -> None:
    first, second = IncidentFactory(), IncidentFactory()

    assert codes(PHONE, first) == [1]
    assert codes(PHONE, second) == [2]


def test_e3_the_number_of_a_closed_incident_is_given_to_the_next() -> None:
    first, second, third = IncidentFactory(), IncidentFactory(), IncidentFactory()
    codes(PHONE, first, second)
    resolve_incidents(incident_ids=[first.pk], actor=None)

    assert codes(PHONE, third) == [1]
    assert not ReplyCode.objects.filter(incident=first).exists()


def test_an_incident_keeps_its_number_while_it_is_open() -> None:
    first, second = IncidentFactory(), IncidentFactory()
    codes(PHONE, first, second)

    assert codes(PHONE, second) == [2]


def test_every_telephone_counts_for_itself() -> None:
    first, second = IncidentFactory(), IncidentFactory()
    codes(PHONE, first)

    assert codes(OTHER_PHONE, second) == [1]


def test_many_numbers_cost_as_many_queries_as_one() -> None:
    incidents = [IncidentFactory() for _ in range(10)]
    with CaptureQueriesContext(connection) as one:
        codes(PHONE, incidents[0])

    with CaptureQueriesContext(connection) as ten:
        assert codes(PHONE, *incidents) == list(range(1, 11))

    assert len(one) == len(ten) == 5  # the savepoint twice, the lock, what is held, the saving


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_give_no_number_twice() -> None:
    incidents = [IncidentFactory() for _ in range(12)]

    def give(incident: Incident) -> int:
        try:
            return codes(PHONE, incident)[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        given = sorted(pool.map(give, incidents))

    assert given == list(range(1, 13))


def test_pages_by_sms_have_their_number(incident: Incident, bob: User) -> None:
    method = ContactMethodFactory(user=bob, channel="sms", address=PHONE)
    NotificationFactory(
        incident=incident, user=bob, channel="sms", address=PHONE, contact_method=method
    )

    (page,) = claim_pages(channel="sms", limit=5)

    assert page.reply_code == 1


def test_e7_without_answers_by_sms_pages_have_no_number(
    settings: Settings, incident: Incident, bob: User
) -> None:
    settings.SMS_REPLIES = False
    method = ContactMethodFactory(user=bob, channel="sms", address=PHONE)
    NotificationFactory(
        incident=incident, user=bob, channel="sms", address=PHONE, contact_method=method
    )

    (page,) = claim_pages(channel="sms", limit=5)

    assert page.reply_code is None
    assert not ReplyCode.objects.exists()


def test_mails_and_destinations_have_no_number(incident: Incident, bob: User) -> None:
    NotificationFactory(incident=incident, user=bob)
    place = DestinationFactory(channel="email", address="team@example.com")
    NotificationFactory(
        incident=incident, user=None, destination=place, address=place.address, cause="step:0:0:1"
    )

    pages = claim_pages(channel="email", limit=5)

    assert [page.reply_code for page in pages] == [None, None]


def test_status_updates_have_no_number(incident: Incident, bob: User) -> None:
    method = ContactMethodFactory(user=bob, channel="sms", address=PHONE)
    NotificationFactory(
        incident=incident,
        user=bob,
        channel="sms",
        address=PHONE,
        contact_method=method,
        reason=Notification.Reason.STATUS,
        cause="status:1",
    )

    pages = claim_pages(channel="sms", limit=5)

    assert [page.reply_code for page in pages] == [None] * len(pages)


@pytest.mark.parametrize("address", ["call me", "0151 12345678", "+49" + "1" * 60])
def test_what_is_no_number_keeps_nobody_else_from_being_paged(
    incident: Incident, bob: User, address: str
) -> None:
    for number, cause in ((address, "step:0:0:0"), (PHONE, "step:0:0:1")):
        method = ContactMethodFactory(user=bob, channel="sms", address=number)
        NotificationFactory(
            incident=incident,
            user=bob,
            channel="sms",
            address=number,
            contact_method=method,
            cause=cause,
        )

    pages = claim_pages(channel="sms", limit=5)

    assert {page.address: page.reply_code for page in pages} == {address: None, PHONE: 1}


@given(
    held=st.dictionaries(st.integers(1, 60), st.integers(1, 40), max_size=30),
    wanted=st.lists(st.integers(1, 80), max_size=30, unique=True),
)
def test_no_number_is_ever_given_to_two_incidents(held: dict[int, int], wanted: list[int]) -> None:
    by_code = {code: pk for pk, code in held.items()}
    held = {pk: code for code, pk in by_code.items()}  # a number is one incident's

    given_codes = choose_codes(held, wanted)

    together = held | given_codes
    assert set(given_codes) == set(wanted)
    assert len(set(together.values())) == len(together)
    assert all(given_codes[pk] == code for pk, code in held.items() if pk in given_codes)
