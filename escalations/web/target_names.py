"""Whom a step may page, by the name that people type or pick: "Bob", "team Payments"."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from escalations.models import Schedule, TargetKind
from escalations.services.people import people_by_id
from escalations.services.policy_steps import TARGET_KINDS, TargetInput
from escalations.web.fields import active_people
from incidents.filters import read_id
from notifications.models import Destination
from opsknight.models import Team

ICONS: dict[TargetKind, str] = {
    "user": "user",
    "team": "users",
    "team_leads": "user-star",
    "schedule": "calendar-days",
    "destination": "webhook",
}


@dataclass(frozen=True)
class TargetName:
    """Somebody or something that can be paged."""

    target: TargetInput
    text: str
    problem: str = ""  # "not active"

    @property
    def key(self) -> str:
        """As it stands in the form: `user-3`."""
        return f"{self.target.kind}-{self.target.id}"

    @property
    def icon(self) -> str:
        """Lucide name."""
        return ICONS[self.target.kind]


def offered_targets() -> list[TargetName]:
    """Everything that a step may page, no two with the same text; 4 queries."""
    found = list(_everything())
    seen = Counter(name.text.casefold() for name in found)
    return [name if seen[name.text.casefold()] == 1 else _told_apart(name) for name in found]


def _everything() -> Iterator[TargetName]:
    for user in active_people():
        yield TargetName(TargetInput("user", user.pk), str(user))
    for schedule_id, name in Schedule.objects.order_by("name", "pk").values_list("pk", "name"):
        yield TargetName(TargetInput("schedule", schedule_id), f"{name} on call")
    teams = list(Team.objects.order_by("name", "pk").values_list("pk", "name", "lead_id"))
    for team_id, name, _ in teams:
        yield TargetName(TargetInput("team", team_id), f"team {name}")
    for team_id, name, lead_id in teams:
        if lead_id is not None:
            yield TargetName(TargetInput("team_leads", team_id), f"lead of {name}")
    places = Destination.objects.filter(enabled=True).order_by("name", "pk")
    for place_id, name in places.values_list("pk", "name"):
        yield TargetName(TargetInput("destination", place_id), name)


def _told_apart(name: TargetName) -> TargetName:
    return TargetName(name.target, f"{name.text} (no. {name.target.id})", name.problem)


def target_named(offered: Iterable[TargetName], text: str) -> TargetName | None:
    """What was typed, whatever its capitals; None: nothing is called that."""
    wanted = text.strip().casefold()
    return next((name for name in offered if name.text.casefold() == wanted), None)


def read_target(text: str) -> TargetInput | None:
    """A target as it stands in the form: `user-3`."""
    head, _, number = text.rpartition("-")
    target_id = read_id(number)
    kind = next((kind for kind in TARGET_KINDS if kind == head), None)
    return TargetInput(kind, target_id) if kind is not None and target_id else None


def names_of(
    targets: Iterable[TargetInput], offered: Iterable[TargetName]
) -> dict[TargetInput, TargetName]:
    """What chosen targets are called, also those that may not be chosen any more.

    At most 4 queries, none where all are on offer.
    """
    known = {name.target: name for name in offered}
    found = {}
    missing = {target for target in targets if target not in known}
    ids = {kind: [t.id for t in missing if t.kind == kind] for kind in TARGET_KINDS}
    for pk, user in people_by_id(ids["user"]).items():
        found[TargetInput("user", pk)] = TargetName(
            TargetInput("user", pk), str(user), "not active"
        )
    led = Team.objects.filter(pk__in=ids["team_leads"]).values_list("pk", "name")
    for pk, name in led if ids["team_leads"] else ():
        found[TargetInput("team_leads", pk)] = TargetName(
            TargetInput("team_leads", pk), f"lead of {name}", "no lead"
        )
    places = Destination.objects.filter(pk__in=ids["destination"]).values_list("pk", "name")
    for pk, name in places if ids["destination"] else ():
        found[TargetInput("destination", pk)] = TargetName(
            TargetInput("destination", pk), name, "switched off"
        )
    gone = {target: TargetName(target, "no longer there", "deleted") for target in missing}
    return known | gone | found
