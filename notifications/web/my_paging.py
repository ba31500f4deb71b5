"""What the page of one's own notifications shows: ways, rules, and what would come now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F

from incidents.models import Incident
from notifications.channel_icons import ICONS
from notifications.health import Health
from notifications.models import ContactMethod, Notification, NotificationRule
from notifications.models.preferences import Channel
from notifications.rules import PlannedPage
from notifications.selectors import (
    absences_covered_by,
    absences_of,
    contact_methods_of,
    rules_of,
)
from notifications.services.planning import PagePlan, load_reach, preferences_of
from notifications.web.preference_forms import (
    AbsenceForm,
    ContactMethodForm,
    DigestForm,
    QuietForm,
    RuleForm,
)
from opsknight.models import User

Urgency = NotificationRule.Urgency
Reason = Notification.Reason
# How long what became of a code or a test is shown, and how long the page asks for it by itself.
NEWS_FOR = timedelta(minutes=20)
ASKS_FOR = timedelta(minutes=2)
# How the health of an address is shown: word, tone, icon.
HEALTHS = {
    Health.USABLE: ("In use", "resolved", "check"),
    Health.BROKEN: ("Refused", "triggered", "circle-alert"),
    Health.STOPPED: ("Stopped", "acknowledged", "circle-alert"),
    Health.UNVERIFIED: ("Not verified", "acknowledged", "shield-alert"),
    Health.OFF: ("Switched off by you", "neutral", "ban"),
}


@dataclass(frozen=True)
class Way:
    """One contact method as the page shows it."""

    method: ContactMethod
    icon: str
    word: str
    tone: str
    state_icon: str
    # The last code or test of late, with `kept_message_id`, its number in the sandbox.
    last: Notification | None
    awaits_news: bool  # it is on its way, and what became of it is known soon

    @property
    def what_goes(self) -> str:
        """What is lost with it, as nobody can take it back."""
        count = len(self.method.rules.all())
        rules = f" with its {count} rules" if count > 1 else " with its rule" if count else ""
        return f"It goes for good{rules}."

    @property
    def is_unverified(self) -> bool:
        """Its code has to be entered."""
        return self.method.health is Health.UNVERIFIED


@dataclass(frozen=True)
class RuleList:
    """One of the two lists, with the form that adds to it."""

    urgency: Urgency
    title: str
    rules: Sequence[tuple[NotificationRule, Way]]
    form: RuleForm


@dataclass(frozen=True)
class Coming:
    """One message that would come."""

    icon: str
    when: str  # "At once", "After 10 min"; empty: at `held_until`
    held_until: datetime | None
    what: str  # "SMS to +43…"


@dataclass(frozen=True)
class Expectation:
    """What would come for an incident of one urgency, if it paged one now."""

    urgency: str
    plan: PagePlan
    lines: Sequence[Coming]
    is_reached: bool


def page_of(user: User, now: datetime, **forms: Any) -> dict[str, Any]:
    """The context of the page; `forms` replace the empty ones of the same name."""
    ways = ways_of(user, now)
    chosen = preferences_of(user)
    rule_form: RuleForm | None = forms.pop("rule_form", None)
    empty = {
        "method_form": ContactMethodForm(),
        "quiet_form": QuietForm(chosen),
        "digest_form": DigestForm(chosen),
        "absence_form": AbsenceForm(user),
    }
    return {
        "ways": list(ways.values()),
        "rule_lists": _lists(user, ways, rule_form),
        "expected": expectations_of(user, now, list(ways.values())),
        "chosen": chosen,
        "absences": list(absences_of(user, now=now)),
        "covered": list(absences_covered_by(user, now=now)),
        "now": now,
        "rule_form": rule_form,
        **empty,
        **forms,
    }


def ways_of(user: User, now: datetime) -> dict[int, Way]:
    """The person's contact methods by id; three queries."""
    methods = contact_methods_of(user).select_related("verification_code")
    last = _last_messages(user, now)
    found = methods.prefetch_related("rules")
    return {method.pk: _way(method, last.get(method.pk), now) for method in found}


def _last_messages(user: User, now: datetime) -> dict[int | None, Notification]:
    """The last code or test of each contact method, as far as it is of late."""
    rows = Notification.objects.filter(
        user=user,
        incident=None,
        reason__in=(Reason.VERIFICATION, Reason.TEST),
        created_at__gt=now - NEWS_FOR,
    ).annotate(kept_message_id=F("sandbox_message__pk"))
    return {row.contact_method_id: row for row in rows.order_by("created_at", "pk")}


def _way(method: ContactMethod, last: Notification | None, now: datetime) -> Way:
    word, tone, icon = HEALTHS[method.health]
    if last is not None and method.is_verified and last.reason == Reason.VERIFICATION:
        last = None  # it has done its work
    under_way = last is not None and last.state in Notification.UNFINISHED
    awaits_news = under_way and last is not None and last.created_at > now - ASKS_FOR
    icon_of_kind = ICONS[Channel(method.channel)]
    return Way(method, icon_of_kind, word, tone, icon, last, awaits_news)


def _lists(user: User, ways: Mapping[int, Way], bound: RuleForm | None) -> list[RuleList]:
    rules = list(rules_of(user))
    wrong = bound.data.get("urgency") if bound is not None else None
    return [
        RuleList(
            urgency=urgency,
            title=str(urgency.label),
            rules=[(r, ways[r.contact_method_id]) for r in rules if r.urgency == urgency],
            form=bound if bound is not None and wrong == urgency else RuleForm(user, urgency),
        )
        for urgency in (Urgency.HIGH, Urgency.OTHER)
    ]


def expectations_of(user: User, at: datetime, ways: Sequence[Way]) -> list[Expectation]:
    """What would come for each urgency; by the engine's own planning. Three queries."""
    reach = load_reach([user.pk], since=at)
    names = {way.method.pk: way.method.label or way.method.address for way in ways}
    plans = [reach.plan_of(user.pk, urgency=urgency, at=at) for urgency in Incident.Urgency.values]
    return [
        Expectation(plan.urgency, plan, [_coming(p, plan, names) for p in plan.pages], plan.reaches)
        for plan in plans
        if plan is not None
    ]


def _coming(page: PlannedPage, plan: PagePlan, names: Mapping[int, str]) -> Coming:
    """Of a substitute's ways only the kind is said."""
    channel = Channel(page.channel)
    what = channel.label
    if not plan.absent_id:
        what = f"{channel.label} to {names.get(page.method_id or 0, page.address)}"
    when = f"After {page.wait_minutes} min" if page.wait_minutes else "At once"
    return Coming(ICONS[channel], "" if page.held_until else when, page.held_until, what)
