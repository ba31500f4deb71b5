"""Which pages become one message, and when."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.bundling import MAX_PAGES, Window, bundle_id, gather, next_window
from notifications.channels.base import Page, PagedIncident, Person

LONGEST = 30.0


def make_page(
    number: int, *, service: int = 1, address: str = "+491511234567", channel: str = "sms"
) -> Page:
    return Page(
        notification_id=number,
        claim=1,
        channel=channel,
        address=address,
        method_id=None,
        secret_token="",
        idempotency_key=UUID(int=number + 1),
        maybe_duplicate=False,
        reason="escalation",
        recipient=Person(1, "Bob", "bob@example.com"),
        incident=PagedIncident(
            id=number,
            title=f"Incident {number}",
            description="",
            status="triggered",
            urgency="high",
            service_id=service,
            service_name="Checkout",
            assignee=None,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            acknowledged_at=None,
            resolved_at=None,
        ),
    )


pages_of_many = st.lists(
    st.builds(
        lambda number, service, address, again: replace(
            make_page(number, service=service, address=address), maybe_duplicate=again
        ),
        st.integers(0, 500),
        st.integers(1, 3),
        st.sampled_from(["a", "b"]),
        st.booleans(),
    ),
    max_size=250,
    unique_by=lambda page: page.notification_id,
)


@given(pages_of_many)
def test_no_page_is_lost_or_doubled_by_gathering(pages: list[Page]):
    parcels = gather(pages)

    sent = [page.notification_id for parcel in parcels for page in parcel]
    assert sorted(sent) == sorted(page.notification_id for page in pages)
    assert all(0 < len(parcel) <= MAX_PAGES for parcel in parcels)


@given(pages_of_many)
def test_a_message_is_about_one_service_and_goes_to_one_address(pages: list[Page]):
    for parcel in gather(pages):
        targets = {(p.address, p.incident and p.incident.service_id) for p in parcel}
        assert len(targets) == 1
        assert len({p.maybe_duplicate for p in parcel}) == 1


@given(pages_of_many)
def test_the_order_of_the_queue_is_kept(pages: list[Page]):
    places = {page.notification_id: place for place, page in enumerate(pages)}

    firsts = [places[parcel[0].notification_id] for parcel in gather(pages)]

    assert firsts == sorted(firsts)


def test_assignments_and_pages_that_cannot_be_sent_stay_alone():
    pages = [
        make_page(1),
        replace(make_page(2), reason="assignment"),
        replace(make_page(3), cannot_send="Switched off."),
        make_page(4),
    ]

    parcels = [[page.notification_id for page in parcel] for parcel in gather(pages)]

    assert parcels == [[1, 4], [2], [3]]


def test_a_message_that_is_repeated_has_the_same_key_and_another_one_has_not():
    one, two, three = make_page(1), make_page(2), make_page(3)

    assert bundle_id([one, two]) == bundle_id([two, one])
    assert len({bundle_id([one]), bundle_id([one, two]), bundle_id([one, two, three])}) == 3


def test_a_single_page_keeps_its_own_key():
    page = replace(make_page(1), idempotency_key=uuid4())

    assert bundle_id([page]) == page.idempotency_key


def test_the_window_doubles_while_pages_keep_coming():
    window: Window | None = None
    sent, now = [], 0.0
    while now < 120:
        opened = next_window(window, now=now, longest=LONGEST)
        if opened is not None:
            sent.append(round(now))
            window = opened
        now += 0.1

    assert sent == [0, 1, 3, 7, 15, 31, 61, 91]


@given(st.lists(st.floats(0, 20), min_size=1, max_size=200), st.floats(1, 60))
def test_no_page_waits_for_longer_than_the_longest_window(gaps: list[float], longest: float):
    window: Window | None = None
    now = 1000.0
    for gap in gaps:
        now += gap
        opened = next_window(window, now=now, longest=longest)
        if opened is None:
            assert window is not None
            assert now < window.ends_at <= now + longest
            assert next_window(window, now=window.ends_at, longest=longest) is not None
        else:
            window = opened


@pytest.mark.parametrize("minutes", [1, 20])
def test_after_a_pause_the_first_page_goes_at_once_again(minutes: int):
    window = Window(0.0, LONGEST)

    assert next_window(window, now=minutes * 60, longest=LONGEST) == Window(minutes * 60, 1.0)


def test_a_clock_that_was_set_back_keeps_nobody_waiting():
    assert next_window(Window(9000.0, 1.0), now=1000.0, longest=LONGEST) == Window(1000.0, 1.0)
