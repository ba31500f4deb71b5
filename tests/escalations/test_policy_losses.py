"""Policies say what they lose when a person leaves."""

from datetime import datetime

import pytest

from escalations.services.policy_losses import policy_losses_without
from opsknight.departures import NeedsConfirmation
from opsknight.models import User
from opsknight.services.people import disable_user
from tests.escalations.walk import policy_of
from tests.factories import TeamFactory

pytestmark = pytest.mark.django_db


def test_steps_and_fallbacks_that_name_nobody_else_are_lost(
    bob: User, carol: User, now: datetime
) -> None:
    team = TeamFactory(lead=bob)
    policy_of(
        (0, [bob, carol]),
        (5, [bob]),
        (5, [bob, {"team": team, "leads_only": True}]),
        (5, [team]),
        fallback_user=bob,
        name="Critical",
    )

    assert policy_losses_without([bob], now) == [
        "Step 2 of the policy Critical pages nobody else",
        "Step 3 of the policy Critical pages nobody else",
        "The final fallback of the policy Critical is nobody else",
    ]
    assert policy_losses_without([carol], now) == []


def test_whoever_disables_the_account_is_asked(alice: User, bob: User) -> None:
    policy_of((0, [bob]), name="Critical")

    with pytest.raises(NeedsConfirmation, match="Step 1 of the policy Critical"):
        disable_user(user=bob, actor=alice)
