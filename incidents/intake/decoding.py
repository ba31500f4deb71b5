"""Turns a raw body into typed values; every failure names the field."""

import re
from typing import Any, TypeVar

import msgspec

from incidents.intake.events import InvalidPayload

T = TypeVar("T")
_PATH = re.compile(r" - at `(\$[^`]*)`")
MAX_DEPTH = 200


def decode(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """Decode JSON into the decoder's type; raises InvalidPayload that names the field."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _named(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidPayload(f"The body is not valid JSON: {error}.") from error
    except RecursionError as error:
        raise InvalidPayload("The body is nested too deeply.") from error


def _named(text: str) -> InvalidPayload:
    match = _PATH.search(text)
    path = match.group(1).removeprefix("$").lstrip(".") if match else ""
    reason = _PATH.sub("", text)
    missing = re.search(r"missing required field `(\w+)`", reason)
    if missing:
        path = f"{path}.{missing.group(1)}".lstrip(".")
        reason = "This field is required"
    where = path or "body"
    return InvalidPayload(f"{where}: {reason}.", fields={where: [f"{reason}."]})


def storable(value: Any, depth: int = 0) -> Any:
    """A copy that PostgreSQL's jsonb takes: no NUL, no lone surrogates, not too deep."""
    if depth > MAX_DEPTH:
        return "…"
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "replace").decode()
        case dict():
            return {storable(str(k), depth): storable(v, depth + 1) for k, v in value.items()}
        case list():
            return [storable(v, depth + 1) for v in value]
        case _:
            return value
