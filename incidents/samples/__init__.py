"""Genuine-looking messages of each vendor, written by us: `<kind>/<name>.json`.

A file::

    {"title": what happens,
     "effect": "opens" | "acknowledges" | "closes" | "ignored",
     "headers": {name: value},    # Content-Type says how the body is written
     "query": {name: value},      # may be left out
     "body": an object, or a text that is sent as it is}

Texts hold placeholders, all of them filled in when the sample is used (`Values`): `{{summary}}`,
`{{key}}`, `{{now}}` and, the same for all samples of one run, `{{id}}`, `{{digits}}`, `{{uuid}}`,
`{{sha}}`. A text that is nothing but `{{number}}`, `{{epoch}}` or `{{epoch_ms}}` becomes a number.
`{"@json": …}` becomes the JSON text of its value: some vendors put JSON into JSON.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlencode
from uuid import NAMESPACE_OID, uuid5

FOLDER: Final = Path(__file__).parent
FORM: Final = "application/x-www-form-urlencoded"
ORDER: Final = ("opens", "acknowledges", "closes", "ignored")

Effect = Literal["opens", "acknowledges", "closes", "ignored"]

_PLACEHOLDER = re.compile(r"\{\{([a-z_]+)\}\}")
_RUN = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Sample:
    """One message of a vendor, with its placeholders."""

    kind: str
    name: str
    title: str
    effect: Effect
    headers: dict[str, str]
    query: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What goes into a sample's placeholders."""

    run: str  # see `new_run`: what one run opens, the same run closes
    now: datetime  # UTC
    summary: str
    key: str  # the integration's


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: header names as the vendor writes them."""

    body: str
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


def new_run() -> str:
    """The name of a new run, 8 hexadecimal digits: all its samples speak of one alert."""
    return secrets.token_hex(4)


def is_run(text: str) -> bool:
    """Whether the text is the name of a run."""
    return _RUN.fullmatch(text) is not None


@cache
def samples_of(kind: str) -> tuple[Sample, ...]:
    """The samples of a kind: what opens first, then what closes, then what is ignored."""
    found = [_read(kind, path) for path in sorted((FOLDER / kind).glob("*.json"))]
    # “firing” before others that open as well.
    return tuple(sorted(found, key=lambda s: (ORDER.index(s.effect), s.name != "firing", s.name)))


def sample_of(kind: str, name: str) -> Sample:
    """The sample of that name, else the first."""
    samples = samples_of(kind)
    return next((sample for sample in samples if sample.name == name), samples[0])


def fill(sample: Sample, values: Values) -> Message:
    """The message that a sample is for these values."""
    texts = _texts(values)
    headers = {name: str(_filled(text, texts)) for name, text in sample.headers.items()}
    query = {name: str(_filled(text, texts)) for name, text in sample.query.items()}
    body = _filled(sample.body, texts)
    if not isinstance(body, str):
        is_form = headers.get("Content-Type", "").startswith(FORM)
        body = urlencode(body) if is_form else json.dumps(body, indent=2, ensure_ascii=False)
    return Message(body, headers, query)


def _read(kind: str, path: Path) -> Sample:
    data = json.loads(path.read_text(encoding="utf-8"))
    query = data.get("query", {})
    return Sample(
        kind, path.stem, data["title"], data["effect"], data["headers"], query, data["body"]
    )


def _texts(values: Values) -> dict[str, str | int]:
    number = int(values.run, 16)
    seconds = int(values.now.timestamp())
    return {
        "summary": values.summary,
        "key": values.key,
        "id": values.run,
        "number": number,
        "digits": str(number),
        "uuid": str(uuid5(NAMESPACE_OID, values.run)),
        "sha": sha1(values.run.encode(), usedforsecurity=False).hexdigest(),
        "now": f"{values.now:%Y-%m-%dT%H:%M:%S}.{values.now.microsecond // 1000:03}Z",
        "date": f"{values.now:%Y-%m-%d}",
        "time": f"{values.now:%H:%M:%S}",
        "rfc_date": format_datetime(values.now),
        "epoch": seconds,
        "epoch_digits": str(seconds),
        "epoch_ms": seconds * 1000,
        "epoch_ms_digits": str(seconds * 1000),
    }


def _filled(value: Any, texts: Mapping[str, str | int]) -> Any:
    match value:
        case str() if (whole := _PLACEHOLDER.fullmatch(value)) and whole[1] in texts:
            return texts[whole[1]]
        case str():
            return _PLACEHOLDER.sub(lambda found: str(texts.get(found[1], found[0])), value)
        case {"@json": inner}:
            return json.dumps(_filled(inner, texts), ensure_ascii=False)
        case dict():
            return {name: _filled(item, texts) for name, item in value.items()}
        case list():
            return [_filled(item, texts) for item in value]
        case _:
            return value
