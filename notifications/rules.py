"""Which ways a person is paged, and when: pure planning over personal rules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notifications.health import Health


@dataclass(frozen=True)
class Rule:
    """A personal rule together with its contact method."""

    method_id: int
    channel: str
    address: str
    delay_minutes: int
    health: Health  # of the contact method

    @property
    def is_usable(self) -> bool:
        """Pages may go there."""
        return self.health is Health.USABLE

    @property
    def is_lost(self) -> bool:
        """Its owner wants it and does not have it; not one that its owner switched off."""
        return self.health not in (Health.USABLE, Health.OFF)


@dataclass(frozen=True)
class PlannedPage:
    """One page to come."""

    method_id: int | None  # None: the account's own address
    channel: str
    address: str
    delay_minutes: int  # of the rule: part of the page's identity
    wait_minutes: int  # the delay, or 0 where the rule has to step in
    held_until: datetime | None = None  # the end of quiet hours that it falls into

    def due_at(self, paged_at: datetime) -> datetime:
        """When it goes out, if its cause arises at `paged_at`."""
        return self.held_until or paged_at + timedelta(minutes=self.wait_minutes)


def plan_pages(rules: Iterable[Rule], account_address: str) -> list[PlannedPage]:
    """The pages of one cause for one person, earliest first.

    Without a usable rule the account address is used at once. For a way that is lost the account
    address steps in at its time; where that was an immediate one and no other immediate one is
    left, the next way does not wait for its delay, either.
    """
    ordered = sorted(rules, key=lambda rule: (rule.delay_minutes, rule.method_id))
    plan = [_page_of(rule) for rule in ordered if rule.is_usable]
    if not plan:
        return [account_page(account_address)]
    lost = [rule.delay_minutes for rule in ordered if rule.is_lost]
    if not lost:
        return plan
    if lost[0] == 0 and not has_immediate_way(plan):
        plan[0] = replace(plan[0], wait_minutes=0)
    return _with_account(plan, account_address, lost[0])


def _with_account(plan: Sequence[PlannedPage], address: str, delay: int) -> list[PlannedPage]:
    """With the account's address at this delay, unless it is used by then anyway."""
    if any((p.channel, p.address) == ("email", address) and p.wait_minutes <= delay for p in plan):
        return list(plan)
    page = PlannedPage(None, "email", address, delay_minutes=delay, wait_minutes=delay)
    return sorted([page, *plan], key=lambda page: page.wait_minutes)


def account_page(address: str) -> PlannedPage:
    """A page by e-mail to the account's own address, at once."""
    return PlannedPage(None, "email", address, delay_minutes=0, wait_minutes=0)


def has_immediate_way(plan: Iterable[PlannedPage]) -> bool:
    """Whether anything goes out without waiting for a delay."""
    return any(page.wait_minutes == 0 for page in plan)


def _page_of(rule: Rule) -> PlannedPage:
    return PlannedPage(
        rule.method_id, rule.channel, rule.address, rule.delay_minutes, rule.delay_minutes
    )
