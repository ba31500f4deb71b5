"""The values that rules work with: data only, of bounded size, within a bounded amount of work."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

# One unit is about what one small operation costs, a quarter of a microsecond. All events of one
# delivery share it: a quarter of a second of the door's time, and far beyond what is usual.
MAX_WORK: Final = 500_000
MAX_TEXT: Final = 10_000  # characters of any text
MAX_HINTS: Final = 20
_MAX_NUMBER: Final = 10**30
_CHARACTERS_OF_A_UNIT: Final = 100


class RuleFailed(Exception):
    """What a rule asks for cannot be done with this delivery."""


class OutOfWork(RuleFailed):
    """The rules of one delivery were too much work."""

    def __init__(self) -> None:
        super().__init__("The rules are too much work for one delivery. Make them simpler.")


class Missing:
    """A field that the delivery does not have; whatever is asked of it is missing, too."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __bool__(self) -> bool:
        return False


@dataclass(slots=True)
class Work:
    """What may still be done for one delivery."""

    left: int = MAX_WORK

    def spend(self, units: int) -> None:
        """Count what is about to be done; raises OutOfWork when it is too much."""
        self.left -= units
        if self.left < 0:
            raise OutOfWork


class Readable(Protocol):
    """What a delivery brought."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def query(self) -> Mapping[str, str]: ...

    @property
    def payload(self) -> Any: ...


@dataclass(slots=True)
class Scope:
    """Everything one rule may look at."""

    event: Mapping[str, Any]
    delivery: Readable
    work: Work = field(default_factory=Work)
    hints: dict[str, None] | None = None  # missing fields that were used; None: nobody asks

    def resolve(self, name: str, missing: Missing) -> Any:
        """The variable of that name; what is none of the four is looked for in the payload."""
        match name:
            case "event":
                return self.event
            case "payload":
                return cut(self.delivery.payload)
            case "headers":
                return self.delivery.headers
            case "query":
                return self.delivery.query
        return look_up(self.delivery.payload, name, missing)

    def note(self, value: object) -> None:
        """Remember that a missing field was used, for whoever writes the rule."""
        if self.hints is not None and isinstance(value, Missing) and len(self.hints) < MAX_HINTS:
            self.hints[value.path] = None

    def spend_on(self, value: object) -> None:
        """Count an operation that looks at the whole of `value`."""
        if isinstance(value, str):
            self.work.spend(1 + len(value) // _CHARACTERS_OF_A_UNIT)
        elif isinstance(value, list | dict):
            self.work.spend(1 + len(value) // 4)


def look_up(value: Any, key: Any, missing: Missing) -> Any:
    """A field of an object or an item of a list or text: data, never an attribute in Python."""
    found: Any = missing
    if isinstance(value, Mapping) and isinstance(key, str):
        found = value.get(key, missing)
    elif isinstance(value, list | str) and type(key) is int and -len(value) <= key < len(value):
        found = value[key]
    return cut(found)


def cut(value: Any) -> Any:
    """The value; of a very long text only its beginning."""
    return value[:MAX_TEXT] if isinstance(value, str) and len(value) > MAX_TEXT else value


def as_text(value: object, scope: Scope) -> str:
    """How a value is written: as in JSON, texts without quotes, null and missing as nothing."""
    match value:
        case str():
            return value
        case None:
            return ""
        case Missing():
            scope.note(value)
            return ""
        case list() | Mapping():
            return as_json(value, scope)
    return _scalar(value)


def as_json(value: object, scope: Scope) -> str:
    """A value in JSON, cut at `MAX_TEXT`; what is missing is null."""
    writer = _Writer(scope.work)
    writer.write(None if isinstance(value, Missing) else value)
    return "".join(writer.pieces)[:MAX_TEXT]


def number(value: object) -> int | float:
    """A number that can be calculated with; raises RuleFailed."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RuleFailed(f"{kind_of(value)} is no number. Use |int or |float.")
    if not abs(value) < _MAX_NUMBER:  # also when it is not a number
        raise RuleFailed("A number is too large.")
    return value


def kind_of(value: object) -> str:
    """What a value is, in the words of the documentation."""
    match value:
        case Missing():
            return f"{value.path}, which is missing,"
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "A number"
        case str():
            return "A text"
        case list():
            return "A list"
    return "An object"


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) >= _MAX_NUMBER:
        return "a very large number"  # writing it out costs more than linear time
    return str(value)


class _Writer:
    """Writes JSON up to the longest text, however large the value is."""

    def __init__(self, work: Work) -> None:
        self.pieces: list[str] = []
        self.length = 0
        self.work = work

    def add(self, piece: str) -> None:
        self.work.spend(1)
        self.pieces.append(piece)
        self.length += len(piece)

    def write(self, value: object, depth: int = 0) -> None:
        """Add the value; stops where the text is long enough or 20 levels deep."""
        if self.length > MAX_TEXT:
            return
        if depth > 20:
            self.add("…")
        elif isinstance(value, Mapping):
            self._write_object(value, depth)
        elif isinstance(value, list):
            self._write_list(value, depth)
        elif isinstance(value, str):
            self.add(json.dumps(cut(value), ensure_ascii=False))
        else:
            self.add("null" if value is None else _scalar(value))

    def _write_object(self, value: Mapping[str, Any], depth: int) -> None:
        self.add("{")
        for place, (name, item) in enumerate(value.items()):
            if self.length > MAX_TEXT:
                return
            self.add(", " if place else "")
            self.write(name, depth + 1)
            self.add(": ")
            self.write(item, depth + 1)
        self.add("}")

    def _write_list(self, value: list[Any], depth: int) -> None:
        self.add("[")
        for place, item in enumerate(value):
            if self.length > MAX_TEXT:
                return
            self.add(", " if place else "")
            self.write(item, depth + 1)
        self.add("]")
