"""The filters and tests that rules may use; every text they make is cut at `MAX_TEXT`."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from incidents.intake.rule_values import (
    MAX_TEXT,
    Missing,
    RuleFailed,
    Scope,
    as_json,
    as_text,
    cut,
    number,
)


class Named(NamedTuple):
    """A filter or a test, and how many arguments it takes beside its value."""

    call: Callable[..., Any]  # (scope, value, *arguments)
    fewest: int = 0
    most: int = 0


def _default(scope: Scope, value: Any, other: Any = "", also_empty: Any = False) -> Any:
    is_absent = value is None or isinstance(value, Missing)
    return other if is_absent or (also_empty and not value) else value


def _text_filter(change: Callable[[str], str]) -> Callable[[Scope, Any], str]:
    def apply(scope: Scope, value: Any) -> str:
        text = as_text(value, scope)
        scope.spend_on(text)
        return change(text)[:MAX_TEXT]

    return apply


def _replace(scope: Scope, value: Any, old: Any, new: Any) -> str:
    text, old, new = (as_text(v, scope) for v in (value, old, new))
    scope.spend_on(text)
    if not old:
        return text
    # So many that the result is long enough, whatever the longest of them makes of it.
    count = MAX_TEXT // max(len(new), 1) + 1
    return text.replace(old, new, count)[:MAX_TEXT]


def _truncate(scope: Scope, value: Any, length: Any = 255) -> str:
    text = as_text(value, scope)
    longest = max(int(number(length)), 1)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _join(scope: Scope, value: Any, between: Any = "") -> str:
    if not isinstance(value, list):
        return as_text(value, scope)
    gap = as_text(between, scope)
    pieces: list[str] = []
    length = 0
    for item in value:
        if length > MAX_TEXT:
            break
        scope.work.spend(1)
        pieces.append(cut(as_text(item, scope)))
        length += len(pieces[-1]) + len(gap)
    return gap.join(pieces)[:MAX_TEXT]


def _to_json(scope: Scope, value: Any) -> str:
    scope.spend_on(value)
    return as_json(value, scope)


def _length(scope: Scope, value: Any) -> int:
    return len(value) if isinstance(value, str | list | Mapping) else 0


def _first(scope: Scope, value: Any) -> Any:
    return cut(value[0]) if isinstance(value, str | list) and value else Missing("|first")


def _last(scope: Scope, value: Any) -> Any:
    return cut(value[-1]) if isinstance(value, str | list) and value else Missing("|last")


def _round(scope: Scope, value: Any, places: Any = 0) -> int | float:
    wanted = int(number(places))
    if not 0 <= wanted <= 10:
        raise RuleFailed("|round takes 0 to 10 places.")
    return round(number(value), wanted) if wanted else round(number(value))


def _int(scope: Scope, value: Any, other: Any = 0) -> Any:
    try:
        return int(_float(scope, value))
    except RuleFailed:
        return other


def _float_or(scope: Scope, value: Any, other: Any = 0.0) -> Any:
    try:
        return _float(scope, value)
    except RuleFailed:
        return other


def _float(scope: Scope, value: Any) -> float:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            return float(number(float(value[:50])))
        except ValueError as error:
            raise RuleFailed("The text is no number.") from error
    return float(number(value))


def _abs(scope: Scope, value: Any) -> int | float:
    return abs(number(value))


def contains(scope: Scope, value: Any, item: Any) -> bool:
    """Whether a text has a part, a list an item, or an object a field."""
    scope.spend_on(value)
    if isinstance(item, Missing):
        scope.note(item)
        return False
    if isinstance(value, str):
        return as_text(item, scope) in value
    if isinstance(value, Mapping):
        return isinstance(item, str) and item in value
    if isinstance(value, list):
        return not isinstance(item, list | Mapping) and item in value
    scope.note(value)
    return False


def _starts(scope: Scope, value: Any, beginning: Any) -> bool:
    return as_text(value, scope).startswith(as_text(beginning, scope))


def _ends(scope: Scope, value: Any, end: Any) -> bool:
    return as_text(value, scope).endswith(as_text(end, scope))


FILTERS: Final[dict[str, Named]] = {
    "abs": Named(_abs),
    "capitalize": Named(_text_filter(str.capitalize)),
    "contains": Named(contains, 1, 1),
    "default": Named(_default, 0, 2),
    "endswith": Named(_ends, 1, 1),
    "first": Named(_first),
    "float": Named(_float_or, 0, 1),
    "int": Named(_int, 0, 1),
    "join": Named(_join, 0, 1),
    "last": Named(_last),
    "length": Named(_length),
    "lower": Named(_text_filter(str.lower)),
    "replace": Named(_replace, 2, 2),
    "round": Named(_round, 0, 1),
    "startswith": Named(_starts, 1, 1),
    "string": Named(_text_filter(str)),
    "title": Named(_text_filter(str.title)),
    "tojson": Named(_to_json),
    "trim": Named(_text_filter(str.strip)),
    "truncate": Named(_truncate, 0, 1),
    "upper": Named(_text_filter(str.upper)),
}

TESTS: Final[dict[str, Named]] = {
    "boolean": Named(lambda scope, value: isinstance(value, bool)),
    "defined": Named(lambda scope, value: not isinstance(value, Missing)),
    "false": Named(lambda scope, value: value is False),
    "mapping": Named(lambda scope, value: isinstance(value, Mapping)),
    "none": Named(lambda scope, value: value is None),
    "number": Named(
        lambda scope, value: isinstance(value, int | float) and not isinstance(value, bool)
    ),
    "sequence": Named(lambda scope, value: isinstance(value, list)),
    "string": Named(lambda scope, value: isinstance(value, str)),
    "true": Named(lambda scope, value: value is True),
    "undefined": Named(lambda scope, value: isinstance(value, Missing)),
}
