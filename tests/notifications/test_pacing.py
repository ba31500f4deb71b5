"""The pace at which a telephone is told of further pages."""

from hypothesis import given
from hypothesis import strategies as st

from notifications.pacing import Rate, earliest_at


def test_d10_three_at_once_then_one_every_three_minutes():
    minute = 60.0
    rates = [Rate(3, 15 * minute), Rate(18, 60 * minute, is_smooth=True)]
    sent: list[float] = []

    for _ in range(6):
        sent.append(earliest_at(sent, rates, now=sent[-1] if sent else 0.0))

    assert [at / minute for at in sent] == [0, 0, 0, 15, 18, 21]


@given(st.lists(st.floats(0, 7200), max_size=40))
def test_a_pace_never_starves_anybody(sent: list[float]):
    rates = [Rate(3, 900), Rate(18, 3600, is_smooth=True)]

    at = earliest_at(sent, rates, now=7200)

    assert 7200 <= at <= 7200 + 3600
