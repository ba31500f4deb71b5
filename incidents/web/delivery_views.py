"""Deliveries as pages show them: what came, what became of it, and what must not be shown."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from django.db.models import F, Func, IntegerField, JSONField, QuerySet

from incidents import selectors
from incidents.delivery_search import read_delivery_id
from incidents.models import Delivery, Incident
from incidents.models.delivery import incident_id_of
from opsknight.models import User

PAGE_SIZE = 50
SHOWN_RESULTS = 3  # in a row of the list
SHOWN_ALL_RESULTS = 200  # on the delivery's own page
SHOWN_BODY = 50_000  # characters; the whole body can be downloaded
SHOWN_HEX = 2_048  # bytes
MAX_DEPTH = 50  # of JSON that is indented: deeper, spaces become most of it


@dataclass(frozen=True)
class ResultView:
    """What became of one event. Without `incident` none belongs to it, or it is gone."""

    action: str
    dedup_key: str
    reason: str
    incident: Incident | None


@dataclass(frozen=True)
class DeliveryRow:
    """A delivery in the list. Of a hidden one only when it came and its verdict are shown."""

    delivery: Delivery
    is_hidden: bool
    results: Sequence[ResultView] = ()
    unshown: int = 0  # further results


@dataclass(frozen=True)
class BodyView:
    """A body, readable."""

    text: str
    form: str  # "JSON", "form", "text", "bytes" or "empty"
    size: int
    is_cut: bool = False
    fields: Sequence[tuple[str, str]] = field(default_factory=tuple)  # of a form


@dataclass(frozen=True)
class DeliveryPage:
    """A stretch of the list, newest first, and the cursors of its neighbours."""

    deliveries: Sequence[Delivery]
    newer: str = ""  # empty: this is the first page
    older: str = ""  # empty: this is the last page


def page_of_deliveries(
    deliveries: QuerySet[Delivery], query: Mapping[str, str], size: int = PAGE_SIZE
) -> DeliveryPage:
    """The page that an address asks for (`older=<id>` or `newer=<id>`); one query, no bodies."""
    light = deliveries.defer("body", "headers", "query", "results").annotate(
        first_results=_json_path(f"$[0 to {SHOWN_RESULTS - 1}]"),
        linked_ids=_json_path("$[*].incident"),
        result_count=Func(F("results"), function="jsonb_array_length", output_field=IntegerField()),
    )
    older, newer = (
        read_delivery_id(query.get("older", "")),
        read_delivery_id(query.get("newer", "")),
    )
    if newer is not None:
        found = list(light.filter(pk__gt=newer).order_by("pk")[: size + 1])
        shown, has_more = found[:size][::-1], len(found) > size
        older_id = str(shown[-1].pk) if shown else ""
        return DeliveryPage(shown, str(shown[0].pk) if has_more else "", older_id)
    if older is not None:
        light = light.filter(pk__lt=older)
    found = list(light.order_by("-pk")[: size + 1])
    shown, has_more = found[:size], len(found) > size
    newer_id = str(shown[0].pk) if older is not None and shown else ""
    return DeliveryPage(shown, newer_id, str(shown[-1].pk) if has_more else "")


def _json_path(path: str) -> Func:
    template = f"jsonb_path_query_array(%(expressions)s, '{path}')"
    return Func(F("results"), template=template, output_field=JSONField())


def rows_of(deliveries: Iterable[Any], user: User) -> list[DeliveryRow]:
    """Rows of a page, with the incidents that the person may see; two queries."""
    listed = list(deliveries)
    everything = {pk for d in listed for pk in d.linked_ids}
    shown = {
        pk
        for d in listed
        for result in d.first_results
        if (pk := incident_id_of(result)) is not None
    }
    hidden = selectors.hidden_incident_ids(user, everything)
    incidents = Incident.objects.only("pk", "title", "status").in_bulk(shown - hidden)
    rows = []
    for delivery in listed:
        if hidden.intersection(delivery.linked_ids):
            rows.append(DeliveryRow(delivery, is_hidden=True))
            continue
        views = [result_view(result, incidents) for result in delivery.first_results]
        unshown = max(delivery.result_count - len(views), 0)
        rows.append(DeliveryRow(delivery, is_hidden=False, results=views, unshown=unshown))
    return rows


def results_of(delivery: Delivery, user: User) -> tuple[list[ResultView], int, bool]:
    """The first results, how many more there are, and whether the delivery must be hidden."""
    if selectors.hidden_incident_ids(user, delivery.incident_ids):
        return [], 0, True
    first = delivery.results[:SHOWN_ALL_RESULTS]
    shown = {pk for result in first if (pk := incident_id_of(result)) is not None}
    incidents = Incident.objects.only("pk", "title", "status").in_bulk(shown)
    return [result_view(r, incidents) for r in first], len(delivery.results) - len(first), False


def is_hidden_from(delivery: Delivery, user: User) -> bool:
    """Whether it belongs to an incident that the person may not see."""
    return bool(selectors.hidden_incident_ids(user, delivery.incident_ids))


def result_view(result: Any, incidents: Mapping[int, Incident]) -> ResultView:
    """A recorded result with its incident."""
    said = result if isinstance(result, dict) else {}
    number = incident_id_of(said)
    return ResultView(
        action=str(said.get("action") or ""),
        dedup_key=str(said.get("dedup_key") or ""),
        reason=str(said.get("reason") or ""),
        incident=incidents.get(number) if number is not None else None,
    )


def body_view(delivery: Delivery) -> BodyView:
    """The body as text: JSON indented, a form as its fields, anything else as it is or in hex."""
    raw = bytes(delivery.body)
    size = len(raw)
    if not raw:
        return BodyView("", "empty", 0)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return BodyView(hex_dump(raw[:SHOWN_HEX]), "bytes", size, size > SHOWN_HEX)
    if delivery.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        pairs = parse_qsl(text[:SHOWN_BODY], keep_blank_values=True)
        if pairs and not text.lstrip().startswith(("{", "[")):
            return BodyView(text[:SHOWN_BODY], "form", size, len(text) > SHOWN_BODY, pairs)
    pretty, form = _indented(text)
    return BodyView(pretty[:SHOWN_BODY], form, size, len(pretty) > SHOWN_BODY)


def _indented(text: str) -> tuple[str, str]:
    # Of a body that is cut anyway, the beginning is shown as it came.
    if len(text) > 4 * SHOWN_BODY or _depth(text) > MAX_DEPTH:
        return text, "text"
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False), "JSON"
    except (ValueError, RecursionError):
        return text, "text"


def _depth(text: str) -> int:
    """How deep brackets are nested at most; those inside texts count as well."""
    steps = (1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", text))
    return max(accumulate(steps), default=0)


def hex_dump(raw: bytes) -> str:
    """Sixteen bytes a line: where, hexadecimal, and what can be read."""
    lines = []
    for start in range(0, len(raw), 16):
        part = raw[start : start + 16]
        readable = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:06x}  {part.hex(' '):<47}  {readable}")
    return "\n".join(lines)


def kept_ids(ids: Iterable[UUID | None]) -> set[UUID]:
    """Those of the deliveries that have not been pruned; at most one query."""
    wanted = {pk for pk in ids if pk is not None}
    if not wanted:
        return set()
    return set(Delivery.objects.filter(pk__in=wanted).values_list("pk", flat=True))
