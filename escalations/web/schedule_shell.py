"""What all pages of one schedule share: its tabs, and what a person may do there."""

from datetime import datetime

from django.utils import timezone

from escalations import selectors
from escalations.models import Schedule, SwapRequest
from opsknight.models import User

TABS = (
    ("timeline", "Timeline", "escalations:schedule"),
    ("calendar", "Calendar", "escalations:month_calendar"),
    ("changes", "Overrides", "escalations:overrides"),
    ("swaps", "Swaps", "escalations:swaps"),
    ("hours", "Hours", "escalations:hours"),
)


def shell_of(
    user: User, schedule: Schedule, tab: str, *, now: datetime | None = None
) -> dict[str, object]:
    """What `escalations/schedules/base.html` needs; `tab` is the open one. 2 queries."""
    moment = now or timezone.now()
    counts = {
        "changes": selectors.overrides_of(schedule).filter(ends_at__gt=moment).count(),
        "swaps": selectors.swap_requests_of(schedule)
        .filter(state=SwapRequest.State.OPEN, ends_at__gt=moment)
        .count(),
    }
    return {
        "schedule": schedule,
        "may_change": selectors.may_change_schedules(user),
        "schedule_tabs": [
            (text, url_name, counts.get(name) or None, name == tab) for name, text, url_name in TABS
        ],
    }
