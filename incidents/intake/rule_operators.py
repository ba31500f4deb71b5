"""How rules compare values: as in Jinja2, and nothing that is missing ever raises."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from incidents.intake.rule_filters import contains
from incidents.intake.rule_values import Missing, RuleFailed, Scope, kind_of, number


def _is_equal(scope: Scope, left: Any, right: Any) -> bool:
    scope.note(left)
    scope.note(right)
    if isinstance(left, Missing) or isinstance(right, Missing):
        return False
    if isinstance(left, list | Mapping) and isinstance(right, list | Mapping):
        if left and right:
            raise RuleFailed("Lists and objects cannot be compared. Compare their fields.")
        return not left and not right
    return bool(left == right)


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[Scope, Any, Any], bool]:
    def apply(scope: Scope, left: Any, right: Any) -> bool:
        scope.note(left)
        scope.note(right)
        if any(value is None or isinstance(value, Missing) for value in (left, right)):
            return False
        if isinstance(left, str) != isinstance(right, str):
            raise RuleFailed(
                f"{kind_of(left)} cannot be compared with {kind_of(right).lower()}. "
                "Use |int or |float."
            )
        return (
            compare(left, right) if isinstance(left, str) else compare(number(left), number(right))
        )

    return apply


COMPARE: Final[dict[str, Callable[[Scope, Any, Any], bool]]] = {
    "eq": _is_equal,
    "ne": lambda scope, left, right: not _is_equal(scope, left, right),
    "in": lambda scope, left, right: contains(scope, right, left),
    "notin": lambda scope, left, right: not contains(scope, right, left),
    "lt": _ordering(operator.lt),
    "lteq": _ordering(operator.le),
    "gt": _ordering(operator.gt),
    "gteq": _ordering(operator.ge),
}
