"""Which ways a person is paged, and when."""

import pytest

from notifications.health import Health
from notifications.rules import PlannedPage, Rule, has_immediate_way, plan_pages

ACCOUNT = "bob@example.com"


def rule(method_id: int, delay: int, health: Health = Health.USABLE) -> Rule:
    return Rule(method_id, "email", f"way-{method_id}@example.com", delay, health)


def times(plan: list[PlannedPage]) -> list[tuple[int | None, int]]:
    return [(page.method_id, page.wait_minutes) for page in plan]


def test_every_rule_is_planned_at_its_delay():
    plan = plan_pages([rule(1, 30), rule(2, 0), rule(1, 0)], ACCOUNT)

    assert times(plan) == [(1, 0), (2, 0), (1, 30)]


def test_without_rules_the_account_address_is_used_at_once():
    plan = plan_pages([], ACCOUNT)

    assert plan == [PlannedPage(None, "email", ACCOUNT, 0, 0)]


def test_rules_that_are_all_switched_off_leave_the_account_address():
    plan = plan_pages([rule(1, 0, Health.OFF), rule(2, 5, Health.BROKEN)], ACCOUNT)

    assert plan == [PlannedPage(None, "email", ACCOUNT, 0, 0)]


def test_a_person_may_have_delayed_ways_only():
    plan = plan_pages([rule(1, 0, Health.OFF), rule(2, 10)], ACCOUNT)

    assert times(plan) == [(2, 10)]
    assert not has_immediate_way(plan)


@pytest.mark.parametrize("health", [Health.BROKEN, Health.STOPPED, Health.UNVERIFIED])
def test_the_next_way_and_the_account_step_in_for_a_lost_immediate_way(health: Health):
    plan = plan_pages([rule(1, 0, health), rule(2, 10), rule(3, 20)], ACCOUNT)

    assert times(plan) == [(None, 0), (2, 0), (3, 20)]
    assert plan[1].delay_minutes == 10


def test_a_lost_way_beside_a_working_one_is_replaced_by_the_account_address():
    plan = plan_pages([rule(1, 0, Health.BROKEN), rule(2, 0), rule(3, 20)], ACCOUNT)

    assert times(plan) == [(None, 0), (2, 0), (3, 20)]


def test_a_lost_delayed_way_is_replaced_at_its_time():
    plan = plan_pages([rule(1, 0), rule(2, 10, Health.STOPPED)], ACCOUNT)

    assert times(plan) == [(1, 0), (None, 10)]


def test_the_account_address_is_not_planned_twice():
    own = Rule(1, "email", ACCOUNT, 0, Health.USABLE)

    plan = plan_pages([own, rule(2, 10, Health.UNVERIFIED)], ACCOUNT)

    assert times(plan) == [(1, 0)]


def test_a_way_that_its_owner_switched_off_is_not_replaced():
    plan = plan_pages([rule(1, 0, Health.OFF), rule(2, 0)], ACCOUNT)

    assert times(plan) == [(2, 0)]
