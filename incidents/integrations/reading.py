"""What several parsers need to read a body without trusting its types."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from incidents.intake.decoding import decode
from incidents.intake.events import InvalidPayload, fit_dedup_key
from incidents.integrations.events_api import Link, clean_links

MAX_FORM_FIELDS = 1_000
MAX_OBJECTS = 5_000
MAX_DIGITS = 40  # longer numbers are no identifiers, and costly to write out

_object_decoder = msgspec.json.Decoder(dict[str, Any])
_objects_decoder = msgspec.json.Decoder(dict[str, Any] | list[dict[str, Any]])
_PLACEHOLDER = re.compile(r"\$[A-Z0-9_]+|\$\{[^{}]*\}|\{\{[^{}]*\}\}|\{\w+\}")


def decode_object(body: bytes) -> dict[str, Any]:
    """A JSON object; raises InvalidPayload."""
    return decode(body, _object_decoder)


def decode_objects(body: bytes) -> list[dict[str, Any]]:
    """A JSON object, or a list of at least one; raises InvalidPayload."""
    data = decode(body, _objects_decoder)
    if data == []:
        raise unclear("body", "Send at least one alert.")
    if len(data) > MAX_OBJECTS and isinstance(data, list):
        raise unclear("body", f"Send at most {MAX_OBJECTS} alerts at once.")
    return data if isinstance(data, list) else [data]


def decode_form_or_json(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """A JSON object or a form, by its first character: many senders name the wrong type."""
    is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if not is_form or body.lstrip()[:1] in (b"{", b"["):
        return decode_object(body)
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "replace"),
            keep_blank_values=True,
            max_num_fields=MAX_FORM_FIELDS,
        )
    except ValueError as error:
        raise InvalidPayload("The body is not a form that can be read.") from error
    return dict(pairs)


def text(data: Mapping[str, Any], *names: str) -> str:
    """The first field that holds a text or a number, without NUL; "" when none does."""
    for name in names:
        value = data.get(name)
        if isinstance(value, int) and (isinstance(value, bool) or abs(value) >= 10**MAX_DIGITS):
            continue
        if not isinstance(value, str | int | float):
            continue
        if found := str(value).replace("\x00", "").strip():
            return found
    return ""


def filled(data: Mapping[str, Any], *names: str) -> str:
    """Like text(), but a template's variable that the sender left unfilled comes last."""
    found = [value for name in names if (value := text(data, name))]
    return next((v for v in found if not _PLACEHOLDER.fullmatch(v)), found[0] if found else "")


def folded(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields under plain names: ALERT_ID, alert_id and alertId become alertid."""
    return {re.sub(r"[^a-z0-9]", "", name.lower()): value for name, value in data.items()}


def digest(*parts: str) -> str:
    """32 characters that stand for these parts, in this order."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def child(data: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """The object at a path; {} when something else, or nothing, is there."""
    value: Any = data
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, dict) else {}


def children(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in a list; others in it are skipped."""
    value = data.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def epoch_time(value: object) -> datetime | None:
    """An instant from seconds since 1970 (number or digits), else None."""
    try:
        seconds = float(value) if isinstance(value, str | int | float) else 0.0
        return datetime.fromtimestamp(seconds, UTC) if 1 <= seconds < 2**36 else None
    except (ValueError, OverflowError):
        return None


def epoch_ms_time(value: object) -> datetime | None:
    """An instant from milliseconds since 1970 (number or digits), else None."""
    try:
        return epoch_time(float(value) / 1000) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):
        return None


def unclear(name: str, message: str) -> InvalidPayload:
    """The refusal of a body whose field cannot be understood."""
    return InvalidPayload(message, fields={name: [message]})


def plain_names(data: Mapping[str, Any], unexpanded: re.Pattern[str]) -> dict[str, Any]:
    """Like folded(), without texts that are blank or nothing but one of the vendor's macros."""
    return folded(
        {
            name: value
            for name, value in data.items()
            if not isinstance(value, str)
            or (value.strip() and not unexpanded.fullmatch(value.strip()))
        }
    )


def key_of(*parts: str) -> str:
    """A dedup key of several parts; two different lists of parts never make the same key."""
    return fit_dedup_key(":".join(p.replace("%", "%25").replace(":", "%3A") for p in parts))


def links_to(*links: tuple[str, str]) -> list[dict[str, str]]:
    """Links from pairs of address and text; what is no web address is left out."""
    return clean_links([Link(href=href, text=text) for href, text in links])
