"""Finding deliveries: what to look for, read from an address, and the query for it."""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from django.db import OperationalError, connection, transaction
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from psycopg.errors import QueryCanceled

from incidents import selectors
from incidents.models import Delivery, Incident
from incidents.models.delivery import first_id_at
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User

MAX_TEXT: Final = 200
MAX_SECONDS: Final[float] = 5  # of one search; bodies of a megabyte each take long to read
SEARCHED_BYTES: Final = 262_144  # of each body, from its beginning

# A body may be in any encoding, or be broken: it is compared byte by byte, in the format "escape".
_MENTIONS = f"""
position(%s::text in lower(encode(
  substring(incidents_delivery.body from 1 for {SEARCHED_BYTES}), 'escape'))) > 0
"""
_RESULTS_MENTION = "position(%s::text in lower(incidents_delivery.results::text)) > 0"
_LEADS_TO = """
EXISTS (SELECT 1 FROM jsonb_array_elements(incidents_delivery.results) AS result
        WHERE result->>'incident' = ANY(%s))
"""


class SearchTooLong(Conflict):
    """The search did not end in time. Narrow it: choose a verdict or a time."""


@dataclass(frozen=True)
class DeliverySearch:
    """What somebody looks for. Anything unreadable in an address means "no such filter"."""

    verdict: str = ""
    text: str = ""  # in the body, a dedup key, a reason, an incident's number, a delivery's id
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "DeliverySearch":
        """Read an address; times without a zone are in the reader's."""
        verdict = query.get("verdict", "")
        return cls(
            verdict=verdict if verdict in Delivery.Verdict.values else "",
            text=query.get("q", "").replace("\x00", "").strip()[:MAX_TEXT],
            since=read_moment(query.get("since", "")),
            until=read_moment(query.get("until", "")),
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is chosen."""
        return self != DeliverySearch()

    @property
    def since_text(self) -> str:
        """For a field of type datetime-local."""
        return _local(self.since)

    @property
    def until_text(self) -> str:
        """For a field of type datetime-local."""
        return _local(self.until)

    def query(self, **changes: str) -> str:
        """The address of this search, or of this search with other values."""
        values = {
            "verdict": self.verdict,
            "q": self.text,
            "since": self.since_text,
            "until": self.until_text,
        }
        return urlencode({name: value for name, value in (values | changes).items() if value})


def narrowed_deliveries(
    deliveries: QuerySet[Delivery], wanted: DeliverySearch, user: User
) -> QuerySet[Delivery]:
    """Those that are looked for. A text is not found in what the person may not see."""
    if wanted.verdict:
        deliveries = deliveries.filter(verdict=wanted.verdict)
    if wanted.since is not None:
        deliveries = deliveries.filter(pk__gte=first_id_at(wanted.since))
    if wanted.until is not None:
        deliveries = deliveries.filter(pk__lt=first_id_at(wanted.until))
    if wanted.text:
        services = deliveries.order_by().values("integration__service")
        private = Incident.objects.filter(
            visibility=Incident.Visibility.PRIVATE, service__in=services
        )
        hidden = selectors.hidden_incident_ids(user, private.values_list("pk", flat=True))
        deliveries = deliveries.filter(_mentions(wanted.text))
        if hidden:
            numbers = [str(pk) for pk in hidden]
            deliveries = deliveries.exclude(_is_true(_LEADS_TO, [numbers]))
    return deliveries


@contextmanager
def limited_time(wanted: DeliverySearch) -> Iterator[None]:
    """A search for a text within must be answered in 5 s; raises SearchTooLong."""
    if not wanted.text:
        yield
        return
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {int(MAX_SECONDS * 1000)}")
            yield
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise SearchTooLong(
            "This search takes too long. Choose a verdict or a time, then search again."
        ) from error


def read_delivery_id(text: str) -> uuid.UUID | None:
    """An id out of an address, or None."""
    try:
        return uuid.UUID(text) if len(text) <= 36 else None
    except ValueError:
        return None


def read_moment(text: str) -> datetime | None:
    """An instant out of an address, in the reader's zone unless it names one; else None."""
    try:
        moment = parse_datetime(text.strip()) if len(text) <= 40 else None
        if moment is None:
            return None
        moment = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _local(moment: datetime | None) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%dT%H:%M}" if moment is not None else ""


def _mentions(text: str) -> Q:
    # As it may stand in a body: plain, in JSON with escapes, in a form.
    spellings = {text, json.dumps(text)[1:-1], quote_plus(text)}
    found = Q()
    for spelling in spellings:
        found |= Q(_is_true(_MENTIONS, [_escaped(spelling)]))
    found |= Q(_is_true(_RESULTS_MENTION, [json.dumps(text, ensure_ascii=False)[1:-1].lower()]))
    found |= Q(reason__icontains=text)
    if match := re.fullmatch("#?([0-9]{1,18})", text):
        found |= Q(results__contains=[{"incident": int(match[1])}])
    if (pk := read_delivery_id(text)) is not None:
        found |= Q(pk=pk)
    return found


def _is_true(sql: str, params: list[Any]) -> RawSQL:
    return RawSQL(sql, params, output_field=BooleanField())  # noqa: S611 - fixed SQL, parameters apart


def _escaped(text: str) -> str:
    """The text as PostgreSQL's format "escape" writes its bytes, ASCII letters small."""
    return "".join(
        "\\\\" if byte == 0x5C else f"\\{byte:03o}" if byte >= 0x80 else chr(byte)
        for byte in text.encode("utf-8", "replace").lower()
    )


def require_moment(text: str, name: str) -> datetime | None:
    """An instant that an API names, None when it names none; raises InvalidInput."""
    if not text:
        return None
    moment = read_moment(text)
    if moment is None:
        message = "Use an ISO 8601 time such as 2026-11-23T12:00:00Z."
        raise InvalidInput(message, fields={name: [message]})
    return moment
