"""The small numbers by which a telephone names incidents: "1a" acknowledges number 1.

A number belongs to one telephone and one incident. The lowest that is free is given: after an
incident is resolved, its number goes to the next one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, IntegerField, Max, QuerySet, When

from incidents.models import Incident
from notifications.channels.base import Page
from notifications.models import Notification, ReplyCode
from notifications.models.preferences import E164, Channel

State = Notification.State
Reason = Notification.Reason
# Of pages that may have arrived: a reply may be here before the worker has recorded what it
# answers.
ARRIVED = (State.SENDING, State.SENT, State.DELIVERED)
# Channels on which people answer by writing back.
REPLY_CHANNELS = (Channel.SMS, Channel.WHATSAPP)


def with_reply_codes(pages: Sequence[Page], *, now: datetime) -> list[Page]:
    """The pages with their numbers, where they go to a telephone that may answer.

    At most four queries, none for other channels. Not inside a transaction that locks incidents.
    """
    pairs = {pair for page in pages if (pair := _pair_of(page)) is not None}
    codes = assign_reply_codes(pairs=pairs, now=now)
    return [
        replace(page, reply_code=codes[pair]) if (pair := _pair_of(page)) else page
        for page in pages
    ]


def _pair_of(page: Page) -> tuple[str, int] | None:
    is_answerable = (
        settings.SMS_REPLIES
        and page.channel in REPLY_CHANNELS
        and page.reason in (Reason.ESCALATION, Reason.ASSIGNMENT)
        and not page.is_for_place
        and not page.cannot_send
        and E164.fullmatch(page.address) is not None
    )
    return (page.address, page.incident.id) if is_answerable and page.incident else None


def assign_reply_codes(
    *, pairs: Collection[tuple[str, int]], now: datetime
) -> dict[tuple[str, int], int]:
    """Give each (telephone, incident id) its number, which it keeps until it is resolved.

    Also remembers that the telephone hears of the incident now. One transaction at a time decides
    about a telephone; three queries, however many pairs.
    """
    if not pairs:
        return {}
    wanted: defaultdict[str, list[int]] = defaultdict(list)
    for address, incident_id in sorted(set(pairs)):
        wanted[address].append(incident_id)
    with transaction.atomic():
        lock_telephones(wanted)
        codes = _decided(wanted)
        ReplyCode.objects.bulk_create(
            (
                ReplyCode(address=address, code=code, incident_id=incident_id, last_sent_at=now)
                for (address, incident_id), code in codes.items()
            ),
            update_conflicts=True,
            unique_fields=["address", "code"],
            update_fields=["incident", "last_sent_at"],
        )
    return codes


def lock_telephones(addresses: Iterable[str]) -> None:
    """Let one transaction at a time decide about each telephone; held until it ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('telephone:' || a, 0))"
            " FROM (SELECT DISTINCT a FROM unnest(%s::text[]) a ORDER BY a) telephones",
            [list(addresses)],
        )


def _decided(wanted: dict[str, list[int]]) -> dict[tuple[str, int], int]:
    rows = ReplyCode.objects.filter(address__in=wanted)
    held: defaultdict[str, dict[int, int]] = defaultdict(dict)  # by telephone: incident id → code
    for address, code, incident_id, status in rows.values_list(
        "address", "code", "incident_id", "incident__status"
    ):
        if status != Incident.Status.RESOLVED or incident_id in wanted[address]:
            held[address][incident_id] = code
    return {
        (address, incident_id): code
        for address, ids in wanted.items()
        for incident_id, code in choose_codes(held[address], ids).items()
    }


def choose_codes(held: dict[int, int], wanted: Iterable[int]) -> dict[int, int]:
    """The code of each wanted incident: the one that it has, else the lowest that nobody has."""
    taken = set(held.values())
    free = (code for code in count(1) if code not in taken)
    return {pk: held[pk] if pk in held else next(free) for pk in wanted}


def incident_of_code(*, address: str, code: int) -> int | None:
    """The incident that a number on a telephone means; also of one that was just resolved."""
    rows = ReplyCode.objects.filter(address=address, code=code)
    return rows.values_list("incident_id", flat=True).first()


def was_sent_to(*, channel: str, address: str, incident_id: int) -> bool:
    """The telephone was told of the incident."""
    return _arrived(channel, address).filter(incident_id=incident_id).exists()


def incidents_of_message(
    *, channel: str, address: str, incident_id: int | None = None
) -> list[int]:
    """Everything that the last message to the telephone named; of those that named an incident.

    A message may gather several pages. What is still being sent counts last. Two queries.
    """
    told = ReplyCode.objects.filter(address=address)
    rows = _arrived(channel, address).filter(incident_id__in=told.values("incident_id"))
    wanted = rows if incident_id is None else rows.filter(incident_id=incident_id)
    is_recorded = Case(When(state=State.SENDING, then=0), default=1, output_field=IntegerField())
    last = wanted.order_by(is_recorded.desc(), "-finished_at", "-pk").first()
    if last is None or last.incident_id is None:
        return []
    if last.bundle is None:
        return [last.incident_id]
    together = rows.filter(bundle=last.bundle).values_list("incident_id", flat=True)
    return sorted({pk for pk in together if pk is not None})


def last_page_at(address: str) -> datetime | None:
    """When the telephone was last told of an incident."""
    found: datetime | None = ReplyCode.objects.filter(address=address).aggregate(
        at=Max("last_sent_at")
    )["at"]
    return found


def _arrived(channel: str, address: str) -> QuerySet[Notification]:
    return Notification.objects.filter(
        state__in=ARRIVED,
        channel=channel,
        address=address,
        reason__in=(Reason.ESCALATION, Reason.ASSIGNMENT),
    )
