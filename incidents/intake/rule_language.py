"""Templates and expressions of rules: written in Jinja2, made into functions over data.

Jinja2's own sandbox bounds neither time nor memory, and its generated code can reach Python
objects. So only its parser is used, and each node that rules need is turned into a small function
here. What has no function here (loops, calls, blocks, macros, imports) is refused when it is
written. Nothing repeats, so the number of nodes bounds the work; texts are cut at `MAX_TEXT`, and
whatever looks at a large value pays for it from the delivery's `Work` (docs/adr/0008).
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import TemplateSyntaxError, nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from incidents.intake.rule_filters import FILTERS, TESTS, Named
from incidents.intake.rule_operators import COMPARE
from incidents.intake.rule_values import (
    MAX_TEXT,
    Missing,
    RuleFailed,
    Scope,
    as_text,
    cut,
    look_up,
    number,
)

MAX_SOURCE: Final = 2_000  # characters of one template or expression
MAX_DEPTH: Final = 40

Evaluate = Callable[[Scope], Any]

_environment = ImmutableSandboxedEnvironment()  # for its parser; nothing is compiled in it


class BadRule(Exception):
    """A template or an expression cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Program:
    """A checked template or expression."""

    evaluate: Evaluate
    size: int  # nodes, more than a run can visit

    def text(self, scope: Scope) -> str:
        """What a template renders to; raises RuleFailed."""
        scope.work.spend(self.size)
        return as_text(self.evaluate(scope), scope)

    def holds(self, scope: Scope) -> bool:
        """Whether an expression is true of the event; raises RuleFailed."""
        scope.work.spend(self.size)
        found = self.evaluate(scope)
        scope.note(found)
        return bool(found)


def read_template(source: str) -> Program:
    """Check a text with {{ … }} and {% if … %}; raises BadRule."""
    return _read(source, lambda: _environment.parse(source).body)


def read_expression(source: str) -> Program:
    """Check an expression, without braces; raises BadRule."""
    if source.lstrip().startswith(("{{", "{%")):
        raise BadRule("Write the expression without {{ }}, for example: event.severity == 'info'")
    return _read(source, lambda: [_parse_expression(source)])


def _read(source: str, parse: Callable[[], list[nodes.Node]]) -> Program:
    if len(source) > MAX_SOURCE:
        raise BadRule(f"Use at most {MAX_SOURCE} characters.")
    builder = _Builder()
    try:
        found = parse()
        evaluate = builder.body(found, 0) if not _is_bare(found) else builder.build(found[0], 0)
    except TemplateSyntaxError as error:
        raise BadRule(f"Line {error.lineno}: {error.message}") from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise BadRule("This is nested too deeply, or has a number that is too long.") from error
    return Program(evaluate, builder.size)


def _is_bare(found: Sequence[nodes.Node]) -> bool:
    return len(found) == 1 and isinstance(found[0], nodes.Expr)


def _parse_expression(source: str) -> nodes.Node:
    parser = Parser(_environment, source, state="variable")
    expression = parser.parse_expression()
    if not parser.stream.eos:
        line = parser.stream.current.lineno
        raise TemplateSyntaxError("Something follows the end of the expression.", line)
    return expression


class _Builder:
    """Turns nodes into functions, and counts them."""

    def __init__(self) -> None:
        self.size = 0

    def build(self, node: nodes.Node, depth: int) -> Evaluate:
        """The function of one node; raises BadRule for a kind of node that rules do not have."""
        self.size += 1
        if depth > MAX_DEPTH:
            raise BadRule(f"Line {node.lineno}: this is nested more than {MAX_DEPTH} deep.")
        maker = _MAKERS.get(type(node))
        if maker is None:
            raise BadRule(f"Line {node.lineno}: {_why_not(node)}")
        return maker(self, node, depth + 1)

    def body(self, found: Sequence[nodes.Node], depth: int) -> Evaluate:
        """Texts and {% if %}, one after the other."""
        return _concatenation([self.build(node, depth) for node in found])


def _why_not(node: nodes.Node) -> str:
    match node:
        case nodes.Call():
            return "functions cannot be called. Use a filter, for example: name|startswith('db-')"
        case nodes.For():
            return "there are no loops. Use a filter, for example: tags|join(', ')"
        case nodes.Mod() | nodes.Pow():
            return "this operator is not available."
        case nodes.Stmt():
            return "of the tags, only {% if %} is available."
    return "this is not available in rules."


def _concatenation(parts: Sequence[Evaluate]) -> Evaluate:
    def join(scope: Scope) -> str:
        pieces: list[str] = []
        room = MAX_TEXT
        for part in parts:
            pieces.append(as_text(part(scope), scope)[:room])
            room -= len(pieces[-1])
            if room <= 0:
                break
        text = "".join(pieces)
        scope.spend_on(text)
        return text

    return join


def _output(builder: _Builder, node: nodes.Output, depth: int) -> Evaluate:
    return builder.body(node.nodes, depth)


def _concat(builder: _Builder, node: nodes.Concat, depth: int) -> Evaluate:
    return builder.body(node.nodes, depth)


def _data(builder: _Builder, node: nodes.TemplateData, depth: int) -> Evaluate:
    text = node.data
    return lambda scope: text


def _const(builder: _Builder, node: nodes.Const, depth: int) -> Evaluate:
    value = node.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number(value)
        except RuleFailed as error:
            raise BadRule(f"Line {node.lineno}: {error}") from error
    return lambda scope: value


def _name(builder: _Builder, node: nodes.Name, depth: int) -> Evaluate:
    if node.ctx != "load":
        raise BadRule(f"Line {node.lineno}: nothing can be set.")
    name = _allowed(node.name, node)
    missing = Missing(name)
    return lambda scope: scope.resolve(name, missing)


def _getattr(builder: _Builder, node: nodes.Getattr, depth: int) -> Evaluate:
    inner = builder.build(node.node, depth)
    name = _allowed(node.attr, node)
    missing = Missing(_path(node))
    return lambda scope: look_up(inner(scope), name, missing)


def _getitem(builder: _Builder, node: nodes.Getitem, depth: int) -> Evaluate:
    inner = builder.build(node.node, depth)
    if isinstance(node.arg, nodes.Slice):
        return _slice(builder, inner, node.arg, depth)
    key = builder.build(node.arg, depth)
    missing = Missing(_path(node))
    return lambda scope: look_up(inner(scope), key(scope), missing)


def _slice(builder: _Builder, inner: Evaluate, node: nodes.Slice, depth: int) -> Evaluate:
    if node.step is not None:
        raise BadRule(f"Line {node.lineno}: a slice has no step.")
    start, stop = (builder.build(n, depth) if n else None for n in (node.start, node.stop))

    def take(scope: Scope) -> Any:
        value = inner(scope)
        scope.spend_on(value)
        first = int(number(start(scope))) if start else None
        last = int(number(stop(scope))) if stop else None
        return value[first:last] if isinstance(value, str | list) else Missing("a slice")

    return take


def _allowed(name: str, node: nodes.Node) -> str:
    if name.startswith("__"):
        raise BadRule(f"Line {node.lineno}: names do not begin with two underscores.")
    return name


def _path(node: nodes.Node) -> str:
    """How a field is written, for hints."""
    match node:
        case nodes.Name(name=name):
            return str(name)
        case nodes.Getattr(node=inner, attr=attr):
            return f"{_path(inner)}.{attr}"
        case nodes.Getitem(node=inner, arg=nodes.Const(value=value)):
            return f"{_path(inner)}[{value!r}]"
    return "…"


def _filter(builder: _Builder, node: nodes.Filter, depth: int) -> Evaluate:
    return _named(builder, node, FILTERS, "filter", depth)


def _test(builder: _Builder, node: nodes.Test, depth: int) -> Evaluate:
    return _named(builder, node, TESTS, "test", depth)


def _named(
    builder: _Builder,
    node: nodes.Filter | nodes.Test,
    known: Mapping[str, Named],
    what: str,
    depth: int,
) -> Evaluate:
    found = known.get(node.name)
    if found is None:
        there = ", ".join(known)
        raise BadRule(
            f"Line {node.lineno}: there is no {what} {node.name[:50]}. There are {there}."
        )
    if node.kwargs or node.dyn_args or node.dyn_kwargs or node.node is None:
        raise BadRule(f"Line {node.lineno}: give {node.name} plain values, without names.")
    if not found.fewest <= len(node.args) <= found.most:
        wanted = f"{found.fewest} to {found.most}" if found.most > found.fewest else found.most
        raise BadRule(f"Line {node.lineno}: {node.name} takes {wanted} values in brackets.")
    inner = builder.build(node.node, depth)
    arguments = [builder.build(argument, depth) for argument in node.args]
    call = found.call
    if not arguments:
        return lambda scope: call(scope, inner(scope))
    return lambda scope: call(scope, inner(scope), *[a(scope) for a in arguments])


def _and(builder: _Builder, node: nodes.And, depth: int) -> Evaluate:
    left, right = builder.build(node.left, depth), builder.build(node.right, depth)
    return lambda scope: left(scope) and right(scope)


def _or(builder: _Builder, node: nodes.Or, depth: int) -> Evaluate:
    left, right = builder.build(node.left, depth), builder.build(node.right, depth)
    return lambda scope: left(scope) or right(scope)


def _not(builder: _Builder, node: nodes.Not, depth: int) -> Evaluate:
    inner = builder.build(node.node, depth)
    return lambda scope: not inner(scope)


def _choice(builder: _Builder, node: nodes.CondExpr, depth: int) -> Evaluate:
    test, then = builder.build(node.test, depth), builder.build(node.expr1, depth)
    other = builder.build(node.expr2, depth) if node.expr2 else lambda scope: ""
    return lambda scope: then(scope) if test(scope) else other(scope)


def _if(builder: _Builder, node: nodes.If, depth: int) -> Evaluate:
    branches = [
        (builder.build(branch.test, depth), builder.body(branch.body, depth))
        for branch in (node, *node.elif_)
    ]
    otherwise = builder.body(node.else_, depth)

    def choose(scope: Scope) -> Any:
        for test, then in branches:
            if test(scope):
                return then(scope)
        return otherwise(scope)

    return choose


def _list(builder: _Builder, node: nodes.List | nodes.Tuple, depth: int) -> Evaluate:
    items = [builder.build(item, depth) for item in node.items]
    return lambda scope: [item(scope) for item in items]


def _dict(builder: _Builder, node: nodes.Dict, depth: int) -> Evaluate:
    pairs = [(builder.build(p.key, depth), builder.build(p.value, depth)) for p in node.items]
    return lambda scope: {as_text(key(scope), scope): value(scope) for key, value in pairs}


def _compare(builder: _Builder, node: nodes.Compare, depth: int) -> Evaluate:
    first = builder.build(node.expr, depth)
    steps = [(COMPARE[op.op], builder.build(op.expr, depth)) for op in node.ops]

    def compare(scope: Scope) -> bool:
        left = first(scope)
        for is_so, right in steps:
            value = right(scope)
            if not is_so(scope, left, value):
                return False
            left = value
        return True

    return compare


def _arithmetic(calculate: Callable[[Any, Any], Any]) -> Callable[..., Evaluate]:
    def make(builder: _Builder, node: nodes.BinExpr, depth: int) -> Evaluate:
        left, right = builder.build(node.left, depth), builder.build(node.right, depth)

        def apply(scope: Scope) -> int | float:
            try:
                return number(calculate(number(left(scope)), number(right(scope))))
            except ZeroDivisionError as error:
                raise RuleFailed("A number is divided by zero.") from error

        return apply

    return make


def _add(builder: _Builder, node: nodes.Add, depth: int) -> Evaluate:
    left, right = builder.build(node.left, depth), builder.build(node.right, depth)

    def apply(scope: Scope) -> Any:
        one, other = left(scope), right(scope)
        if isinstance(one, str) and isinstance(other, str):
            scope.spend_on(one)
            return cut(one + other)
        return number(number(one) + number(other))

    return apply


def _negative(builder: _Builder, node: nodes.Neg, depth: int) -> Evaluate:
    inner = builder.build(node.node, depth)
    return lambda scope: -number(inner(scope))


_MAKERS: Final[dict[type[nodes.Node], Callable[[_Builder, Any, int], Evaluate]]] = {
    nodes.Output: _output,
    nodes.TemplateData: _data,
    nodes.If: _if,
    nodes.Const: _const,
    nodes.Name: _name,
    nodes.Getattr: _getattr,
    nodes.Getitem: _getitem,
    nodes.Filter: _filter,
    nodes.Test: _test,
    nodes.And: _and,
    nodes.Or: _or,
    nodes.Not: _not,
    nodes.CondExpr: _choice,
    nodes.Compare: _compare,
    nodes.Concat: _concat,
    nodes.List: _list,
    nodes.Tuple: _list,
    nodes.Dict: _dict,
    nodes.Add: _add,
    nodes.Sub: _arithmetic(operator.sub),
    nodes.Mul: _arithmetic(operator.mul),
    nodes.Div: _arithmetic(operator.truediv),
    nodes.Neg: _negative,
}
