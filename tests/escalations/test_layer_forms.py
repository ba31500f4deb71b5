"""What the form of a layer makes of what was posted: the order of turns, the first handoff."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.http import QueryDict

from escalations.web.layer_forms import LayerLists, anchor_of, read_lists, rearranged

VIENNA = "Europe/Vienna"


# The lists in the form


ANN, BEN, CEM = (1,), (2,), (3,)


@pytest.mark.parametrize(
    ("do", "turns"),
    [
        ("up-1", (BEN, ANN, CEM)),
        ("down-1", (ANN, CEM, BEN)),
        ("up-0", (ANN, BEN, CEM)),
        ("down-2", (ANN, BEN, CEM)),
        ("join-1", ((1, 2), CEM)),
        ("join-0", (ANN, BEN, CEM)),
        ("drop-1-2", (ANN, CEM)),
        ("drop-1-9", (ANN, BEN, CEM)),
        ("add", (ANN, BEN, CEM, BEN)),
        ("up-7", (ANN, BEN, CEM)),
        ("dance-1", (ANN, BEN, CEM)),
        ("up-99999999999", (ANN, BEN, CEM)),
    ],
)
def test_turns_are_rearranged(do: str, turns: tuple[tuple[int, ...], ...]) -> None:
    lists = LayerLists((ANN, BEN, CEM))

    assert rearranged(lists, do, {"person": "2"}).turns == turns


def test_people_of_one_turn_are_taken_apart_again() -> None:
    assert rearranged(LayerLists((ANN, (2, 3))), "split-1", {}).turns == (ANN, BEN, CEM)


def test_a_button_means_the_turn_it_stands_beside_after_turns_were_dragged() -> None:
    # Cem, drawn third, was dragged to the top; the second turn was emptied.
    posted = QueryDict("turns=2&turns=0&turns=1&turn-2=3&turn-0=1")

    lists = read_lists(posted)

    assert rearranged(lists, "down-2", posted).turns == (ANN, CEM)
    assert rearranged(lists, "drop-0-1", posted).turns == (CEM,)
    assert rearranged(lists, "up-1", posted).turns == (CEM, ANN)


# Handoffs


@pytest.mark.parametrize(
    ("data", "day"),
    [
        ({"rotation": "daily", "first_on": date(2026, 11, 25)}, "2026-11-25"),
        # Turn 1 includes the Wednesday: its handoff was on the Monday before.
        (
            {"rotation": "weekly", "handoff_weekday": 0, "first_on": date(2026, 11, 25)},
            "2026-11-23",
        ),
        (
            {"rotation": "weekly", "handoff_weekday": 2, "first_on": date(2026, 11, 25)},
            "2026-11-25",
        ),
        (
            {"rotation": "weekly", "handoff_weekday": 3, "first_on": date(2026, 11, 25)},
            "2026-11-19",
        ),
        ({"rotation": "monthly", "handoff_day": 1, "first_on": date(2026, 11, 25)}, "2026-11-01"),
        # November has no 31st, so the anchor stays a real 31st.
        ({"rotation": "monthly", "handoff_day": 31, "first_on": date(2026, 11, 25)}, "2026-10-31"),
        ({"rotation": "hourly", "first_on": date(2026, 11, 25)}, "2026-11-25"),
    ],
)
def test_first_handoff_is_on_or_before_the_day(data: dict[str, Any], day: str) -> None:
    found = anchor_of({"handoff_time": time(9)} | data, VIENNA)

    assert f"{found + timedelta(hours=2):%Y-%m-%d}" == day


def test_handoff_that_a_clock_change_skips_is_the_first_instant_after_it() -> None:
    data = {"rotation": "daily", "first_on": date(2026, 3, 29), "handoff_time": time(2, 30)}

    assert anchor_of(data, VIENNA) == datetime(2026, 3, 29, 1, tzinfo=UTC)
