"""Pages of escalation policies: who is paged, in which order, and what is wrong with that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_safe

from escalations import selectors
from escalations.dry_run import dry_run
from escalations.models import EscalationPolicy, PolicyStep, StepTarget
from escalations.policy_health import Health, Warned, health_of
from escalations.snapshots import snapshot_of
from escalations.web.dry_run import Rehearsal, TryForm, rehearsal_of
from escalations.web.phrases import length_phrase, wait_phrase
from escalations.windows import describe_window
from incidents.filters import read_id
from incidents.selectors import visible_integrations
from incidents.web.answers import signed_in
from opsknight.models import User

PAGE_SIZE = 50
MAX_TEXT = 100
SHOWN_TARGETS = 3  # of one step, in the list
UNREADABLE_TIME = "Write date and time as 2026-03-02 14:00."
Limit = tuple[str, str]  # icon, text


@dataclass(frozen=True)
class PolicyRow:
    """One policy of the list."""

    policy: EscalationPolicy
    pages: list[str]  # whom each step pages
    warnings: tuple[Warned, ...]

    @property
    def more(self) -> int:
        """How many warnings are not shown."""
        return len(self.warnings) - 1

    @property
    def tone(self) -> str:
        """The edge of the row."""
        if not self.pages:
            return "is-triggered"
        return "is-acknowledged" if self.warnings else ""


@dataclass(frozen=True)
class StepView:
    """One step, numbered as the timeline numbers it, whatever its position in the database."""

    number: int
    wait: str
    targets: list[StepTarget]
    is_in_turn: bool
    limits: list[Limit]


@login_required
@require_safe
def policies(request: HttpRequest) -> HttpResponse:
    """All policies: whom they page, how many services use them, and what is wrong with them."""
    user = signed_in(request)
    text = request.GET.get("q", "").replace("\x00", "").strip()[:MAX_TEXT]
    pages = Paginator(selectors.counted_policies(user, text=text), PAGE_SIZE)
    page = pages.get_page(read_id(request.GET.get("page", "")) or 1)
    found = list(page.object_list)
    health = health_of(found, now=timezone.now())
    context = {
        "rows": [_row(policy, health[policy.pk]) for policy in found],
        "text": text,
        "page_text": f"Page {page.number} of {pages.num_pages}",
        "newer": _query(text, page.previous_page_number()) if page.has_previous() else "",
        "older": _query(text, page.next_page_number()) if page.has_next() else "",
        "may_change": selectors.may_change_policies(user),
    }
    return render(request, "escalations/policies/list.html", context)


def _row(policy: EscalationPolicy, health: Health) -> PolicyRow:
    return PolicyRow(policy, [_named(step) for step in health.steps], health.warnings)


def _named(step: PolicyStep) -> str:
    """Whom a step pages, in short."""
    names = [_short(target) for target in step.targets.all()]
    more = [f"{len(names) - SHOWN_TARGETS} more"] if len(names) > SHOWN_TARGETS else []
    return ", ".join(names[:SHOWN_TARGETS] + more) or "nobody"


def _short(target: StepTarget) -> str:
    if target.schedule_id is not None:
        return f"{target} on call"
    is_team = target.team_id is not None and not target.leads_only
    return f"team {target}" if is_team else str(target)


def _query(text: str, page: int) -> str:
    parts = {"q": text} if text else {}
    return f"?{urlencode(parts | ({'page': str(page)} if page > 1 else {}))}"


def _routes(user: User, shown: EscalationPolicy) -> list[str]:
    """The routes that choose a policy, of integrations that this person may see."""
    routes = selectors.routes_using(shown).filter(integration__in=visible_integrations(user))
    return [selectors.describe_route(route) for route in routes]


@login_required
@require_safe
def policy(request: HttpRequest, pk: int) -> HttpResponse:
    """One policy: its steps, its settings, what is wrong with it, and whom an alert would page.

    `?at=` and `?urgency=` say which alert.
    """
    user = signed_in(request)
    shown = selectors.get_policy_for(user, pk)
    now = timezone.now()
    health = health_of([shown], now=now)[shown.pk]
    context = {
        "policy": shown,
        "steps": _step_views(health.steps, shown.time_zone),
        "warnings": health.warnings,
        "services": shown.services.select_related("team"),
        "routes": _routes(user, shown),
        "may_change": selectors.may_change_policies(user),
        "rehearsal": _rehearsal(request.GET, shown, user, now),
        "repeat_after": length_phrase(shown.repeat_after_minutes),
        "ends_with": _endings(shown),
        "ack_timeout": length_phrase(shown.ack_timeout_minutes or 0),
        "resolve_after": length_phrase(shown.resolve_after_minutes or 0),
    }
    return render(request, "escalations/policies/page.html", context)


def _step_views(steps: Sequence[PolicyStep], zone: str) -> list[StepView]:
    return [
        StepView(
            number=number,
            wait=wait_phrase(step.delay_minutes, is_first=number == 1),
            targets=list(step.targets.all()),
            is_in_turn=step.is_round_robin,
            limits=_limits(step, zone),
        )
        for number, step in enumerate(steps, start=1)
    ]


def _limits(step: PolicyStep, zone: str) -> list[Limit]:
    """When the step is taken, if not always."""
    snapshot = snapshot_of(step)
    limits = []
    if step.urgency != PolicyStep.Urgency.ANY:
        limits.append(("chevrons-up", step.get_urgency_display()))
    if (window := snapshot.get("window")) is not None:
        limits.append(("clock", f"Only {describe_window(window, zone)}"))
    if (condition := snapshot.get("condition")) is not None:
        text = f"Once more than {condition['alerts']} alerts came in {condition['minutes']} min"
        limits.append(("hourglass", text))
    return limits


def _endings(shown: EscalationPolicy) -> list[Limit]:
    """What follows the last round."""
    endings = []
    if shown.fallback_user is not None:
        endings.append(("life-buoy", f"Then {shown.fallback_user} is paged."))
    elif shown.fallback_team is not None:
        endings.append(("life-buoy", f"Then the team {shown.fallback_team} is paged."))
    if shown.resolve_after_minutes is not None:
        wait = length_phrase(shown.resolve_after_minutes)
        endings.append(("circle-check", f"{wait} later the incident resolves by itself."))
    return endings


def _rehearsal(
    asked: Mapping[str, str], shown: EscalationPolicy, user: User, now: datetime
) -> Rehearsal:
    form = TryForm(data=asked)
    wanted = form.asked(user.time_zone, now)
    if wanted is None:
        return Rehearsal(form, now, problems=[UNREADABLE_TIME])
    return rehearsal_of(form, wanted[0], dry_run(shown, *wanted))


policy_patterns: list[URLPattern] = [
    path("policies/", policies, name="policies"),
    path("policies/<int:pk>/", policy, name="policy"),
]
