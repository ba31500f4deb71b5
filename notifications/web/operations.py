"""The page of those who run the installation: how sending goes at this moment."""

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from incidents.web.answers import is_htmx, signed_in
from notifications.operations import ChannelState, Operations, operations_now
from opsknight.errors import NotAllowed

# What waits longer than this has no worker, or a provider that does not answer.
LATE = timedelta(seconds=30)
# The figures take some milliseconds.
SLOW_SECONDS = 1.0


@never_cache
@login_required
@require_safe
def operations(request: HttpRequest) -> HttpResponse:
    """Depth, age, pace and breakers by channel; for responders. htmx gets the figures alone."""
    if not signed_in(request).is_responder:
        raise NotAllowed("This page is for responders. Ask an administrator for the role.")
    found = operations_now()
    context = {
        "operations": found,
        "channels": [_shown(state) for state in found.channels if not state.is_idle],
        "quiet": [c.label for c in found.channels if c.is_idle and c.accounts],
        "unused": [c.label for c in found.channels if c.is_idle and not c.accounts],
        "totals": _totals(found),
        "troubles": _troubles(found),
        "at": timezone.now(),
    }
    name = "operations_figures" if is_htmx(request) else "operations"
    return render(request, f"notifications/{name}.html", context)


def _shown(state: ChannelState) -> dict[str, object]:
    return {
        "state": state,
        "breakers": [(breaker, _can_be_tried(breaker.guard.key)) for breaker in state.breakers],
        "oldest": in_words(state.oldest_due),
        "p95": in_words(state.p95),
        "is_late": state.oldest_due is not None and state.oldest_due > LATE,
        "waits": [f"{count} wait {why}" for why, count in sorted(state.waits.items())],
    }


def _can_be_tried(key: str) -> bool:
    """Whether the admin has a page that sends a test through it: it is an account."""
    return not key.startswith(("host:", "built-in:"))


def _troubles(found: Operations) -> list[tuple[str, str]]:
    """What stands at this moment, and what to do about it; what stops the most comes first."""
    told: list[tuple[str, str]] = []
    present = found.presence
    if present is None:
        told.append(
            (
                "Redis is away.",
                "Workers get no tasks: pages wait in the database, and go out once it is back. "
                "Start it, and look at its log and memory. Breakers cannot be shown meanwhile.",
            )
        )
    elif present.unserved:
        told.append(
            (
                f"No worker serves {_listed(present.unserved)}.",
                "What is due there waits. Start the worker; where it ends again, its log says why.",
            )
        )
    if present is not None and present.sweeps_are_late(timezone.now()):
        told.append(
            (
                "No sweep has come for half a minute.",
                "Escalations and retries stand still. Is Beat running, and the worker of the "
                "queue default?",
            )
        )
    stopped = [channel.label for channel in found.channels if channel.is_stopped]
    if stopped:
        told.append(
            (
                f"No provider takes messages for {', '.join(stopped)}.",
                "All accounts fail or asked for patience: pages wait, and take their next way "
                "after some minutes. The answers stand in the table; administrators can send a "
                "test, and enter another account.",
            )
        )
    if found.oldest_step is not None and found.oldest_step > LATE:
        told.append(
            (
                f"A step of an escalation is {in_words(found.oldest_step)} late.",
                "Is the worker of the queue escalations running, and Beat? Its log says more.",
            )
        )
    if found.seconds > SLOW_SECONDS:
        told.append(
            (
                f"The database took {found.seconds:.1f} s for these figures.",
                "It is slow: look at its load, its disk and what it is busy with.",
            )
        )
    return told


def _listed(queues: list[str]) -> str:
    return f"the queue {queues[0]}" if len(queues) == 1 else f"the queues {', '.join(queues)}"


def _totals(found: Operations) -> list[dict[str, object]]:
    """The figures above the table, each with its tone when it is not zero."""
    channels = found.channels
    is_late = found.oldest_due is not None and found.oldest_due > LATE
    open_breakers = sum(channel.is_broken for channel in channels)
    return [
        {
            "label": "Due now",
            "value": sum(channel.due for channel in channels),
            "tone": "triggered" if is_late else "brand",
            "note": _oldest(found.oldest_due),
        },
        {
            "label": "Steps due",
            "value": found.steps_due,
            "tone": "brand",
            "note": _oldest(found.oldest_step),
        },
        {
            "label": "A minute",
            "value": f"{sum(channel.per_minute for channel in channels):.1f}",
            "tone": "neutral",
            "note": "over five minutes",
        },
        {
            "label": "Failed",
            "value": sum(channel.failed for channel in channels),
            "tone": "triggered",
            "note": "in the last hour",
        },
        {
            "label": "Breakers open",
            "value": open_breakers if found.has_redis else "?",
            "tone": "triggered",
            "note": "of accounts and hosts" if found.has_redis else "Redis is away",
        },
    ]


def _oldest(age: timedelta | None) -> str:
    """There is always a line, so that nothing moves when something waits."""
    return f"oldest {in_words(age)}" if age is not None else "none waits"


def in_words(time: timedelta | None) -> str:
    """A length of time, short: "0.4 s", "12 s", "3 min", "2 h"."""
    if time is None:
        return ""
    seconds = time.total_seconds()
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


operation_patterns: list[URLPattern] = [
    path("operations/", operations, name="operations"),
]
