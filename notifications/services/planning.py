"""How people are reached at a moment: their rules, quiet hours and digests, or their substitute."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, cast

from incidents.models import Incident
from notifications.health import health_of
from notifications.models import NotificationRule, PagingPreferences
from notifications.quiet import Digest, QuietHours
from notifications.rules import PlannedPage, Rule, has_immediate_way, plan_pages
from opsknight.models import User
from opsknight.rows import fetch_rows

Urgency = Incident.Urgency

_LEAVES = """
SELECT user_id, begins_at, ends_at, substitute_id FROM notifications_absence
WHERE user_id = ANY(%s) AND ends_at > %s ORDER BY begins_at, id
"""
_PEOPLE = """
SELECT u.id, u.name, u.email, u.time_zone, p.quiet_up_to, p.quiet_from, p.quiet_until,
    p.quiet_weekdays, p.digest, p.digest_at
FROM opsknight_user u LEFT JOIN notifications_pagingpreferences p ON p.user_id = u.id
WHERE u.id = ANY(%s) AND u.status = %s
"""
_RULES = """
SELECT r.user_id, r.urgency, r.delay_minutes, m.id, m.channel, m.address, m.enabled,
    m.broken_reason, m.stopped_at, m.verified_at
FROM notifications_notificationrule r
JOIN notifications_contactmethod m ON m.id = r.contact_method_id
WHERE r.user_id = ANY(%s) ORDER BY r.urgency, r.delay_minutes, r.id
"""


@dataclass(frozen=True)
class Someone:
    """An active person, with all that decides how they are paged."""

    id: int
    name: str
    email: str
    rules: Mapping[str, Sequence[Rule]]  # by NotificationRule.urgency
    quiet: QuietHours | None
    digest: Digest | None

    def rules_for(self, urgency: str) -> Sequence[Rule]:
        """The list that an incident of this urgency is paged by."""
        return self.rules.get(rule_list_of(urgency), ())


@dataclass(frozen=True)
class Leave:
    """An absence, as it is planned with."""

    begins_at: datetime
    ends_at: datetime
    substitute_id: int


@dataclass(frozen=True)
class PagePlan:
    """How one person hears of an incident of some urgency that pages them at some moment."""

    user_id: int  # who is paged: the person, or a substitute
    name: str
    urgency: str
    pages: tuple[PlannedPage, ...]
    # Rules that are not used because of their contact methods.
    passed_over: tuple[Rule, ...] = ()
    # Nothing goes out now: it is gathered until then.
    digest_at: datetime | None = None
    # Of a substitute: in whose place, and how long.
    absent_id: int | None = None
    absent_name: str = ""
    absent_until: datetime | None = None

    @property
    def reaches(self) -> bool:
        """Whether the person hears of it at once, or has said that it may wait.

        That somebody sleeps does not hold up what is urgent: then others must be found.
        """
        if self.digest_at is not None:
            return True
        pages = self.pages
        if self.urgency == Urgency.HIGH:
            pages = tuple(page for page in pages if page.held_until is None)
        return has_immediate_way(pages)


@dataclass(frozen=True)
class Reach:
    """How some people are reached, at whatever moment from that on which it was read for."""

    people: Mapping[int, Someone]  # the active ones, and their substitutes
    leaves: Mapping[int, Sequence[Leave]]

    def plan_of(self, user_id: int, *, urgency: str, at: datetime) -> PagePlan | None:
        """How the person, or whoever stands in, is paged; None: not at all. No query.

        The chain stops at one: a substitute who is away as well is paged. One whose account is not
        active is not, and the person is paged in spite of the absence.
        """
        person = self.people.get(user_id)
        leave = next(
            (one for one in self.leaves.get(user_id, ()) if one.begins_at <= at < one.ends_at), None
        )
        substitute = self.people.get(leave.substitute_id) if leave else None
        if person is None:
            return None
        if leave is None or substitute is None:
            return _plan(person, urgency, at)
        return replace(
            _plan(substitute, urgency, at),
            absent_id=person.id,
            absent_name=person.name,
            absent_until=leave.ends_at,
        )


def rule_list_of(urgency: str) -> NotificationRule.Urgency:
    """Which of the two lists of rules an incident is paged by."""
    lists = NotificationRule.Urgency
    return lists.HIGH if urgency == Urgency.HIGH else lists.OTHER


def _plan(person: Someone, urgency: str, at: datetime) -> PagePlan:
    rules = person.rules_for(urgency)
    if urgency == Urgency.LOW and person.digest is not None:
        due_at = person.digest.next_after(at)
        return PagePlan(person.id, person.name, urgency, (), digest_at=due_at)
    pages = tuple(hold(page, person.quiet, urgency, at) for page in plan_pages(rules, person.email))
    passed_over = {rule.method_id: rule for rule in reversed(rules) if not rule.is_usable}
    return PagePlan(person.id, person.name, urgency, pages, tuple(passed_over.values()))


def hold(
    page: PlannedPage, quiet: QuietHours | None, urgency: str, paged_at: datetime
) -> PlannedPage:
    """Let a page that would come in quiet hours wait for their end."""
    until = quiet.end_of(page.due_at(paged_at), urgency) if quiet else None
    return replace(page, held_until=until) if until else page


def load_reach(user_ids: Iterable[int], *, since: datetime) -> Reach:
    """Read how these people are reached from a moment on; 3 queries, whatever their number."""
    ids = set(user_ids)
    if not ids:
        return Reach({}, {})
    leaves: defaultdict[int, list[Leave]] = defaultdict(list)
    for user_id, *leave in fetch_rows(_LEAVES, [[*ids], since]):
        leaves[user_id].append(Leave(*leave))
        ids.add(leaves[user_id][-1].substitute_id)
    rows = fetch_rows(_PEOPLE, [[*ids], User.Status.ACTIVE])
    rules = _rules_of([row[0] for row in rows])
    return Reach({row[0]: _someone(row, rules[row[0]]) for row in rows}, dict(leaves))


def _rules_of(user_ids: Sequence[int]) -> dict[int, dict[str, list[Rule]]]:
    rules: defaultdict[int, dict[str, list[Rule]]] = defaultdict(dict)
    for user_id, urgency, delay, method_id, channel, address, *health in fetch_rows(
        _RULES, [user_ids]
    ):
        enabled, broken_reason, stopped_at, verified_at = health
        rule = Rule(
            method_id,
            channel,
            address,
            delay,
            health_of(
                enabled=enabled,
                broken_reason=broken_reason,
                stopped_at=stopped_at,
                verified_at=verified_at,
            ),
        )
        rules[user_id].setdefault(urgency, []).append(rule)
    return rules


def rule_of(row: NotificationRule) -> Rule:
    """A stored rule as it is planned with; its contact method must be loaded."""
    method = row.contact_method
    return Rule(method.pk, method.channel, method.address, row.delay_minutes, method.health)


def _someone(row: tuple[Any, ...], rules: Mapping[str, Sequence[Rule]]) -> Someone:
    pk, name, email, zone, up_to, begins, ends, weekdays, digest, digest_at = row
    chosen = PagingPreferences(
        quiet_up_to=up_to or "",
        quiet_from=begins,
        quiet_until=ends,
        quiet_weekdays=json.loads(weekdays) if weekdays else [],
        digest=digest or "",
        digest_at=digest_at,
    )
    return Someone(
        id=pk,
        name=name or email,
        email=email,
        rules=rules,
        quiet=quiet_hours_of(chosen, zone),
        digest=digest_of(chosen, zone),
    )


def preferences_of(user: User) -> PagingPreferences:
    """What a person chose; unsaved, with neither quiet hours nor digest, where nothing was."""
    try:
        return user.paging_preferences
    except PagingPreferences.DoesNotExist:
        return PagingPreferences(user=user)


def quiet_hours_of(chosen: PagingPreferences, zone: str) -> QuietHours | None:
    """The quiet hours that somebody chose, on the clock of a zone."""
    if not chosen.quiet_up_to or chosen.quiet_from is None or chosen.quiet_until is None:
        return None
    days = frozenset(chosen.quiet_weekdays)
    return QuietHours(chosen.quiet_up_to, chosen.quiet_from, chosen.quiet_until, days, zone)


def digest_of(chosen: PagingPreferences, zone: str) -> Digest | None:
    """The digest that somebody chose, on the clock of a zone."""
    if not chosen.digest:
        return None
    return Digest(cast(Literal["hourly", "daily"], chosen.digest), chosen.digest_at, zone)
