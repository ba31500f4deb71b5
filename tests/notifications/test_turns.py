"""The order of the queue."""

from notifications.models import Notification
from notifications.turns import FIRST, MORE, STATUS, turn_of

Reason = Notification.Reason


def test_d9_first_page_before_verification_test_on_call_more_pages_and_status():
    order = [
        turn_of(Reason.ESCALATION),
        turn_of(Reason.VERIFICATION),
        turn_of(Reason.TEST),
        turn_of(Reason.ON_CALL),
        turn_of(Reason.ESCALATION, 1),
        turn_of(Reason.ESCALATION, 2),
        turn_of(Reason.STATUS),
    ]

    assert order == sorted(set(order))


def test_a_storm_never_comes_behind_status_updates():
    assert MORE <= turn_of(Reason.ESCALATION, 100_000) < STATUS


def test_an_assignment_is_somebody_s_first_page():
    assert turn_of(Reason.ASSIGNMENT) == FIRST
