"""Which ways a person is paged, and when."""

from notifications.rules import PlannedPage, Rule, has_immediate_way, plan_pages

ACCOUNT = "bob@example.com"


def rule(method_id: int, delay: int, *, is_enabled: bool = True, is_broken: bool = False) -> Rule:
    address = f"way-{method_id}@example.com"
    return Rule(method_id, "email", address, delay, is_enabled and not is_broken, is_broken)


def times(plan: list[PlannedPage]) -> list[tuple[int | None, int]]:
    return [(page.method_id, page.wait_minutes) for page in plan]


def test_every_rule_is_planned_at_its_delay():
    plan = plan_pages([rule(1, 30), rule(2, 0), rule(1, 0)], ACCOUNT)

    assert times(plan) == [(1, 0), (2, 0), (1, 30)]


def test_without_rules_the_account_address_is_used_at_once():
    plan = plan_pages([], ACCOUNT)

    assert plan == [PlannedPage(None, "email", ACCOUNT, 0, 0)]


def test_rules_that_are_all_switched_off_leave_the_account_address():
    plan = plan_pages([rule(1, 0, is_enabled=False), rule(2, 5, is_broken=True)], ACCOUNT)

    assert plan == [PlannedPage(None, "email", ACCOUNT, 0, 0)]


def test_a_person_may_have_delayed_ways_only():
    plan = plan_pages([rule(1, 0, is_enabled=False), rule(2, 10)], ACCOUNT)

    assert times(plan) == [(2, 10)]
    assert not has_immediate_way(plan)


def test_the_next_way_steps_in_for_a_broken_immediate_one():
    plan = plan_pages([rule(1, 0, is_broken=True), rule(2, 10), rule(3, 20)], ACCOUNT)

    assert times(plan) == [(2, 0), (3, 20)]
    assert plan[0].delay_minutes == 10
    assert has_immediate_way(plan)


def test_a_broken_way_beside_a_working_one_changes_nothing():
    plan = plan_pages([rule(1, 0, is_broken=True), rule(2, 0), rule(3, 20)], ACCOUNT)

    assert times(plan) == [(2, 0), (3, 20)]
