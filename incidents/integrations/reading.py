"""What several parsers need to read a body without trusting its types."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from incidents.intake.decoding import decode
from incidents.intake.events import InvalidPayload

MAX_FORM_FIELDS = 1_000
MAX_DIGITS = 40  # longer numbers are no identifiers, and costly to write out

_object_decoder = msgspec.json.Decoder(dict[str, Any])


def decode_object(body: bytes) -> dict[str, Any]:
    """A JSON object; raises InvalidPayload."""
    return decode(body, _object_decoder)


def decode_form_or_json(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """A JSON object or a form, by its first character: many senders name the wrong type."""
    is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    if not is_form or body.lstrip()[:1] in (b"{", b"["):
        return decode_object(body)
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), max_num_fields=MAX_FORM_FIELDS)
    except ValueError as error:
        raise InvalidPayload("The body is not a form that can be read.") from error
    return dict(pairs)


def text(data: Mapping[str, Any], *names: str) -> str:
    """The first field that holds a text or a number, trimmed; "" when none does."""
    for name in names:
        value = data.get(name)
        if isinstance(value, int) and (isinstance(value, bool) or abs(value) >= 10**MAX_DIGITS):
            continue
        if isinstance(value, str | int | float) and (found := str(value).strip()):
            return found
    return ""


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


def unclear(name: str, message: str) -> InvalidPayload:
    """The refusal of a body whose field cannot be understood."""
    return InvalidPayload(message, fields={name: [message]})
