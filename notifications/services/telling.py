"""Says on timelines why somebody is not paged as one would expect: away, or by an unusable way."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from incidents.models import TimelineEntry
from incidents.services.timeline import build_entry, write_entries
from notifications.health import Health
from notifications.models import Notification
from notifications.models.preferences import Channel
from notifications.rules import Rule
from notifications.services.planning import PagePlan

# Incident, cause, and how its page reaches somebody.
Told: TypeAlias = tuple[int, str, PagePlan]
Kind = TimelineEntry.Kind


def tell_plans(*, plans: Sequence[Told], now: datetime) -> None:
    """Write the entries, before the pages themselves; once per cause and person.

    The caller holds the transaction. No query where there is nothing to say, else two.
    """
    worth = [told for told in plans if told[2].absent_id or told[2].passed_over]
    if not worth:
        return
    known = set(
        Notification.objects.filter(
            incident_id__in={incident_id for incident_id, _, _ in worth},
            cause__in={cause for _, cause, _ in worth},
            channel=Channel.IN_APP,
        ).values_list("incident_id", "cause", "user_id", "in_place_of_id")
    )
    write_entries(
        entry
        for incident_id, cause, plan in worth
        if (incident_id, cause, plan.user_id, plan.absent_id) not in known
        for entry in _entries(incident_id, plan, now)
    )


def _entries(incident_id: int, plan: PagePlan, now: datetime) -> Iterator[TimelineEntry]:
    if plan.absent_until is not None:
        yield build_entry(
            incident_id=incident_id,
            kind=Kind.PAGED,
            message=in_place(plan),
            now=now,
            data={"user": plan.user_id, "in_place_of": plan.absent_id},
        )
    for rule in plan.passed_over:
        yield build_entry(
            incident_id=incident_id,
            kind=Kind.PAGE_CANCELLED if rule.health is Health.OFF else Kind.PAGE_FAILED,
            message=f"{plan.name} is not paged {_by(rule)}: {rule.health.words}",
            now=now,
            data={"user": plan.user_id, "channel": rule.channel, "health": rule.health.value},
        )


def in_place(plan: PagePlan) -> str:
    """That somebody is away, and who stands in."""
    assert plan.absent_until is not None  # noqa: S101 — of a substitute only
    until = plan.absent_until.astimezone(UTC)
    return (
        f"{plan.absent_name} is away until {until:%a} {until.day} {until:%b %H:%M} UTC: "
        f"{plan.name} is paged in place of {plan.absent_name}"
    )


def _by(rule: Rule) -> str:
    """The kind of the way; its address is nobody else's business."""
    phrases = {
        Channel.EMAIL: "by e-mail to another address",
        Channel.SMS: "by SMS",
        Channel.VOICE: "by phone",
        Channel.WHATSAPP: "by WhatsApp",
        Channel.WEBHOOK: "by webhook",
        Channel.PUSH: "by push",
        Channel.SLACK: "in Slack",
        Channel.TELEGRAM: "in Telegram",
    }
    return phrases.get(Channel(rule.channel), f"by {rule.channel}")
