"""A provider that fails is an incident itself: on a service of our own, by another channel."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from incidents.models import Incident, Service
from incidents.services.lifecycle import open_incident, resolve_incidents
from notifications.breakers import BreakerState, breaker_states
from notifications.channels import CHANNELS
from notifications.channels.base import Message
from notifications.models import ContactMethod, Notification
from notifications.providers import PROVIDERS
from notifications.rules import PlannedPage
from notifications.services.accounts import accounts_for
from notifications.services.nudging import wake_channels
from notifications.services.outbox import PageRequest, build_page
from notifications.services.routing import exit_of
from opsknight.models import User

SERVICE_NAME = "OpsKnight"
KEY_PREFIX = "breaker:"


def follow_breakers(*, now: datetime) -> int:
    """Open an incident for each breaker that has opened, resolve those of breakers that closed.

    Returns how many changed. Redis, emptied, knows of no open breaker; while it is away nothing
    is known, and nothing changes.
    """
    states = breaker_states()
    if states is None:
        return 0
    failing = {_key_of(state): state for state in states if state.state != "closed"}
    if not failing and not _open_incidents().exists():
        return 0
    with transaction.atomic():
        service = _built_in_service()
        present = dict(_open_incidents().values_list("dedup_key", "pk"))
        for key in failing.keys() - present.keys():
            _open(service, failing[key], {state.guard.key for state in failing.values()}, now)
        over = [pk for key, pk in present.items() if key not in failing]
        if over:
            resolve_incidents(incident_ids=over, actor=None, source="its provider answers again")
    return len(failing.keys() - present.keys()) + len(over)


def _key_of(state: BreakerState) -> str:
    return f"{KEY_PREFIX}{state.guard.key}"[:255]


def _open_incidents() -> QuerySet[Incident]:
    return Incident.objects.filter(
        service__name=SERVICE_NAME, dedup_key__startswith=KEY_PREFIX
    ).exclude(status=Incident.Status.RESOLVED)


def _built_in_service() -> Service:
    """Made when it is needed first, and locked: two sweeps must not open an incident twice.

    It has no policy unless somebody gives it one, so administrators are paged.
    """
    description = "What OpsKnight has to say about itself, such as a provider that fails."
    Service.objects.bulk_create(
        [Service(name=SERVICE_NAME, description=description)], ignore_conflicts=True
    )
    return Service.objects.select_for_update(no_key=True).get(name=SERVICE_NAME)


def _open(service: Service, state: BreakerState, down: Collection[str], now: datetime) -> None:
    guard = state.guard
    is_host = guard.key.startswith("host:")
    phrase = CHANNELS[guard.channel].phrase if guard.channel in CHANNELS else guard.channel
    incident = open_incident(
        service=service,
        title=f"{guard.name} fails: pages {phrase} wait or go another way",
        description=(
            f"The last {state.failures} calls to {guard.name} failed: {state.last_error} "
            "It is left alone and tried again every few seconds. Other providers of the channel "
            "are used meanwhile; pages that only it can carry wait, and after five minutes take "
            "the next way of their person."
        ),
        actor=None,
        # The host of a webhook concerns those who run it; a provider concerns everybody.
        urgency=Incident.Urgency.MEDIUM if is_host else Incident.Urgency.HIGH,
        dedup_key=_key_of(state),
    )
    if not is_host:
        _page_by_other_channels(incident, guard.channel, down, now)


def _page_by_other_channels(
    incident: Incident, failing: str, down: Collection[str], now: datetime
) -> None:
    """One page to each administrator by a way that still works, whatever one's rules say.

    Where none does: by e-mail, which is kept in the sandbox where there is no mail server.
    """
    administrators = User.objects.filter(role=User.Role.ADMIN, status=User.Status.ACTIVE)
    methods = _usable_methods(administrators, failing)
    rows = []
    for user in administrators.order_by("pk"):
        ways = [PlannedPage(m.pk, m.channel, m.address, 0, 0) for m in methods[user.pk]]
        if failing != "email":
            ways.append(PlannedPage(None, "email", user.email, 0, 0))
        page = next((way for way in ways if _works(way, down)), ways[-1] if ways else None)
        if page is None:
            continue
        request = PageRequest(
            incident.pk, user.pk, Notification.Reason.ESCALATION, f"breaker:{incident.pk}"
        )
        rows.append(build_page(request, page, now))
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    wake_channels(row.channel for row in rows)


def _works(way: PlannedPage, down: Collection[str]) -> bool:
    """Some account takes messages to it and does not fail. One account may carry several channels:
    nobody is called by who cannot send SMS."""
    message = Message(way.address, "")
    return any(
        PROVIDERS[account.kind].takes(account, message)
        and exit_of(account, way.address, way.channel).guard.key not in down
        for account in accounts_for(way.channel)
    )


def _usable_methods(users: Iterable[User], failing: str) -> defaultdict[int, list[ContactMethod]]:
    """Of each person those that go another way, the oldest first."""
    rows = (
        ContactMethod.objects.filter(
            user__in=users,
            enabled=True,
            verified_at__isnull=False,
            stopped_at=None,
            broken_reason="",
        )
        .exclude(channel=failing)
        .defer("secret")
        .order_by("pk")
    )
    methods: defaultdict[int, list[ContactMethod]] = defaultdict(list)
    for method in rows:
        methods[method.user_id].append(method)
    return methods
