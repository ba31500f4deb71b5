"""What the incident list shows: read from the address, applied to a query, written back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from incidents.models import Incident
from opsknight.models import TeamMember, User

Status = Incident.Status

# The tabs of the list and the statuses behind each.
TABS: dict[str, tuple[str, ...]] = {
    "open": tuple(status.value for status in Incident.OPEN),
    "triggered": (Status.TRIGGERED.value,),
    "acknowledged": (Status.ACKNOWLEDGED.value,),
    "resolved": (Status.RESOLVED.value,),
    "all": tuple(status.value for status in Status),
}
ASSIGNEES = ("me", "none")
MAX_TEXT = 200
MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class IncidentFilter:
    """What somebody wants to see. Anything unreadable in an address means "no such filter"."""

    tab: str = "open"
    urgency: str = ""
    service_id: int | None = None
    only_my_teams: bool = False
    assignee: str = ""  # "", "me" or "none"
    text: str = ""
    resolved: str = ""  # "" or "today"

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "IncidentFilter":
        """Read an address; nothing in it can fail."""
        tab = query.get("status", "open")
        urgency = query.get("urgency", "")
        service = query.get("service", "")
        assignee = query.get("assignee", "")
        return cls(
            tab=tab if tab in TABS else "open",
            urgency=urgency if urgency in Incident.Urgency.values else "",
            service_id=read_id(service),
            only_my_teams=query.get("team") == "mine",
            assignee=assignee if assignee in ASSIGNEES else "",
            text=query.get("q", "").replace("\x00", "").strip()[:MAX_TEXT],
            resolved="today" if query.get("resolved") == "today" else "",
        )

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses behind the tab."""
        return TABS[self.tab]

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the tab is chosen."""
        return self != IncidentFilter(tab=self.tab)

    def query(self, **changes: str) -> str:
        """The address of this filter, or of this filter with other values; "" when it says all."""
        values = {
            "status": self.tab if self.tab != "open" else "",
            "urgency": self.urgency,
            "service": str(self.service_id or ""),
            "team": "mine" if self.only_my_teams else "",
            "assignee": self.assignee,
            "q": self.text,
            "resolved": self.resolved,
        }
        kept = {name: value for name, value in (values | changes).items() if value}
        return urlencode(kept)


def read_id(text: str) -> int | None:
    """A primary key out of an address or a form, or None."""
    if not text.isascii() or not text.isdecimal() or len(text) > 19:
        return None
    number = int(text)
    return number if 0 < number <= MAX_ID else None


def narrowed_incidents(
    incidents: QuerySet[Incident], wanted: IncidentFilter, user: User
) -> QuerySet[Incident]:
    """Apply everything but the tab."""
    if wanted.urgency:
        incidents = incidents.filter(urgency=wanted.urgency)
    if wanted.service_id is not None:
        incidents = incidents.filter(service_id=wanted.service_id)
    if wanted.only_my_teams:
        mine = TeamMember.objects.filter(user=user)
        incidents = incidents.filter(
            Exists(mine.filter(team_id=OuterRef("service__team_id")))
            | Exists(mine.filter(team_id=OuterRef("team_id")))
        )
    if wanted.assignee == "me":
        incidents = incidents.filter(assignee=user)
    if wanted.assignee == "none":
        incidents = incidents.filter(assignee=None, team=None)
    if wanted.resolved:
        incidents = incidents.filter(resolved_at__gte=start_of_today())
    if wanted.text:
        incidents = incidents.filter(_mentions(wanted.text))
    return incidents


def start_of_today() -> datetime:
    """Midnight in the zone of the person who looks."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def _mentions(text: str) -> Q:
    found = Q(title__icontains=text) | Q(service__name__icontains=text) | Q(dedup_key=text)
    number = read_id(text.removeprefix("#"))
    return found | Q(pk=number) if number is not None else found


def tab_counts(incidents: QuerySet[Incident]) -> dict[str, int]:
    """How many are in each tab of open incidents; one query, without those that are over."""
    is_open = incidents.exclude(status=Status.RESOLVED).order_by()
    return is_open.aggregate(
        open=Count("pk"),
        triggered=Count("pk", filter=Q(status=Status.TRIGGERED)),
        acknowledged=Count("pk", filter=Q(status=Status.ACKNOWLEDGED)),
    )
