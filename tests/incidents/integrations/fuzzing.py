"""Bad input for every parser: seeds from our own payloads, broken in every way senders know.

    def test_bad_input_is_refused_by_name() -> None:
        fuzz(parse, "pingdom")

Also `payload("pingdom", "down")`, the body kept in payloads/pingdom/down.json.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args
from urllib.parse import urlencode

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents.intake.events import (
    MAX_DEDUP_KEY,
    MAX_DESCRIPTION,
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    InvalidPayload,
    Severity,
    Unsupported,
)

Parse = Callable[[Mapping[str, str], Mapping[str, str], bytes], list[Event]]
Trail = tuple[str | int, ...]

PAYLOADS: Final = Path(__file__).parent / "payloads"
CONTENT_TYPES: Final = (
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; charset=UTF-8",
)


def payload(kind: str, name: str) -> bytes:
    """The body of one of our own payloads."""
    return (PAYLOADS / kind / f"{name}.json").read_bytes()


def fuzz(
    parse: Parse, kind: str, headers: Mapping[str, str] | None = None, examples: int = 300
) -> None:
    """Break each payload of a kind; the parser may only refuse by name or understand."""
    seeds = [json.loads(path.read_bytes()) for path in sorted((PAYLOADS / kind).glob("*.json"))]

    @settings(
        max_examples=examples,
        deadline=None,  # other work on the machine must not fail this
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(body=_bodies(seeds), content_type=st.sampled_from(CONTENT_TYPES))
    def run(body: bytes, content_type: str) -> None:
        check(parse, body, {"content-type": content_type, **(headers or {})})

    run()


def check(parse: Parse, body: bytes, headers: Mapping[str, str]) -> None:
    """Parse once; whatever is understood must be fit to be stored."""
    try:
        events = parse(headers, {}, body)
    except (InvalidPayload, Unsupported):
        return

    assert events
    for event in events:
        _check_event(event)


def _check_event(event: Event) -> None:
    assert event.action in get_args(Action)
    assert event.severity in get_args(Severity)
    assert 1 <= len(event.dedup_key) <= MAX_DEDUP_KEY
    assert len(event.summary) <= MAX_SUMMARY
    assert "\n" not in event.summary
    assert len(event.source) <= MAX_SOURCE
    assert len(event.description) <= MAX_DESCRIPTION
    assert event.occurred_at is None or event.occurred_at.tzinfo is not None
    assert all(isinstance(v, str) for link in event.links for v in link.values())
    assert isinstance(msgspec.json.encode(event.details), bytes)


# --- strategies ----------------------------------------------------------------------------


def _nested(depth: int) -> Any:
    value: Any = "deep"
    for level in range(depth):
        value = [value] if level % 2 else {"data": value}
    return value


ODD_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, 2, -1, 3.5, 2**53, 10**18, 1e300, "", " ", "0", "\x00", "null"),
    *([], {}, [[]], [{}], [None], ["x", 1], {"": ""}, {"id": {"id": []}}, "x" * 100_000),
    *("DOWN", "ok", "unresolved", "2026-13-45T99:99:99Z", "٣", "\u202e\ud7ff\uffff😀", "a\nb\r\tc"),
    _nested(60),
)


@st.composite
def _bodies(draw: st.DrawFn, seeds: list[Any]) -> bytes:
    """A seed with some fields dropped or replaced, then perhaps spoilt as a whole."""
    data = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        paths = list(_paths(data))
        if paths:
            _break(data, draw(st.sampled_from(paths)), draw(_replacements))
    text = json.dumps(data, ensure_ascii=draw(st.booleans()))
    spoil = draw(st.sampled_from(_SPOILERS))
    return spoil(text, data) if spoil else draw(_garbage)


_DROP: Final = object()
_replacements = st.one_of(st.just(_DROP), st.sampled_from(ODD_VALUES), st.text(), st.integers())
_garbage = st.one_of(st.binary(max_size=200), st.sampled_from(ODD_VALUES).map(msgspec.json.encode))


def _paths(value: Any, prefix: Trail = (), depth: int = 0) -> Iterator[Trail]:
    """Every place in a body, containers included."""
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for name, child in children if depth < 10 else ():
        yield (*prefix, name)
        yield from _paths(child, (*prefix, name), depth + 1)


def _break(data: Any, path: Trail, value: object) -> None:
    parent = data
    for step in path[:-1]:
        parent = parent[step]
    if value is _DROP:
        del parent[path[-1]]
    else:
        parent[path[-1]] = copy.deepcopy(value)


def _as_form(text: str, data: Any) -> bytes:
    fields = data.items() if isinstance(data, dict) else [("data", text)]
    return urlencode([(str(name), str(value)) for name, value in fields], errors="replace").encode()


# Weighted: most bodies stay JSON, so that the parsers' own code is reached. None is garbage.
_SPOILERS: Final[tuple[Callable[[str, Any], bytes] | None, ...]] = (
    *[lambda text, data: text.encode("utf-8", "replace")] * 12,
    lambda text, data: text.encode("utf-16"),
    lambda text, data: text.encode("latin-1", "replace"),
    lambda text, data: text.encode("utf-8", "replace")[: len(text) // 2],
    lambda text, data: b"\xef\xbb\xbf" + text.encode("utf-8", "replace"),
    lambda text, data: f"[{text},{text}]".encode("utf-8", "replace"),
    lambda text, data: b"[" * 5_000 + text.encode("utf-8", "replace"),
    lambda text, data: b'{"data":' * 5_000 + b"1" + b"}" * 5_000,
    _as_form,
    None,
)
