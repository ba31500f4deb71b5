"""Which ways a person is paged, and when: pure planning over personal rules."""

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Rule:
    """A personal rule together with its contact method."""

    method_id: int
    channel: str
    address: str
    delay_minutes: int
    is_enabled: bool
    is_broken: bool  # switched off by the system, not by its owner


@dataclass(frozen=True)
class PlannedPage:
    """One page to come."""

    method_id: int | None  # None: the account's own address
    channel: str
    address: str
    delay_minutes: int  # of the rule: part of the page's identity
    wait_minutes: int  # the delay, or 0 where the rule has to step in


def plan_pages(rules: Iterable[Rule], account_address: str) -> list[PlannedPage]:
    """The pages of one cause for one person, earliest first.

    Without a usable rule the account address is used at once. Where an immediate way is broken
    and no other immediate way is left, the next way does not wait for its delay.
    """
    ordered = sorted(rules, key=lambda rule: (rule.delay_minutes, rule.method_id))
    plan = [_page_of(rule) for rule in ordered if rule.is_enabled]
    if not plan:
        return [account_page(account_address)]
    lost_immediate_way = any(r.is_broken and r.delay_minutes == 0 for r in ordered)
    if lost_immediate_way and not has_immediate_way(plan):
        plan[0] = replace(plan[0], wait_minutes=0)
    return plan


def account_page(address: str) -> PlannedPage:
    """A page by e-mail to the account's own address, at once."""
    return PlannedPage(None, "email", address, delay_minutes=0, wait_minutes=0)


def has_immediate_way(plan: Iterable[PlannedPage]) -> bool:
    """Whether anything goes out without waiting."""
    return any(page.wait_minutes == 0 for page in plan)


def _page_of(rule: Rule) -> PlannedPage:
    return PlannedPage(
        rule.method_id, rule.channel, rule.address, rule.delay_minutes, rule.delay_minutes
    )
