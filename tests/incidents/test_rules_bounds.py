"""Nothing that responders write may break the door or keep it busy."""

import gc
import json
import time
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.intake.events import Event
from incidents.intake.rule_filters import FILTERS, TESTS
from incidents.intake.rules import Ruled, RuleTexts, apply_rules, read_tried_rules
from incidents.services.rules import preview_rules
from tests.incidents.ruling import EVENT, route

BOMBS = [
    "{{ 'x' * 1000000000 }}",
    "{{ 10000000 * 10000000 * 1000000000000 * 10000000000 * 10000000000000 }}",
    "{{ [0] * 1000000000 }}",
    "{{ payload }}",
    "{{ " + "~".join(["payload"] * 200) + " }}",
    "{{ " + "~".join(["payload.big"] * 150) + " }}",
    "{{ " + " and ".join(["'q' not in payload.list"] * 70) + " }}",
    "{{ payload.list|join(payload.big) }}",
    "{{ payload.big" + "|replace('x', payload.big)" * 30 + " }}",
    "{{ (payload|string)" + "|replace('x','yyyyyyyyyyy')|title|upper" * 10 + " }}",
    "{{ [payload," * 30 + "]" * 30 + " }}",
    "{{ payload.big|truncate(-5) }}{{ payload.big|truncate(1e20) }}{{ 1|round(99) }}",
    "{{ payload.deep }}{{ payload.deep == payload.deep }}",
    "{{ payload.list == payload.list }}",
    "{{ payload[payload] }}{{ payload[[1]] }}{{ payload.list[1e9] }}{{ payload.list[true] }}",
    "{{ payload.huge }}{{ payload.huge|int }}{{ payload.huge + 1 }}{{ payload.huge|float }}",
    "{{ payload.big|int }}{{ payload.big|float }}{{ 'inf'|float }}{{ 'nan'|float|round }}",
    "{{ -payload }}{{ payload.list|abs }}{{ payload.list[:'x'] }}{{ payload < 1 }}",
    "{{ 1 / 0 }}",
    "{{ {payload: 1} }}{{ {}[payload.nope.more] }}",
]


def nasty_body() -> bytes:
    deep = "[" * 900 + "]" * 900
    parts = {
        "big": json.dumps("x" * 200_000),
        "list": json.dumps(list(range(100_000))),
        "deep": deep,
        "huge": "9" * 4000,
    }
    return ("{" + ",".join(f'"{name}": {value}' for name, value in parts.items()) + "}").encode()


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_bounded(bomb: str) -> None:
    body = nasty_body()
    texts = RuleTexts(bomb, bomb, bomb, bomb, bomb.strip("{} "), (route("A", bomb.strip("{} ")),))
    events = [EVENT] * 1000
    start = time.process_time()

    ruled = apply_rules(texts, events, headers={}, query={}, body=body)

    assert time.process_time() - start < 3  # a quarter of it where nothing else runs
    assert len(ruled.events) == 1000
    assert_stored_as_events(ruled)
    assert_no_mistake_of_ours(ruled)


def assert_stored_as_events(ruled: Ruled) -> None:
    """What comes out is within the limits of an event, whatever the rules were."""
    for event, routing in ruled.events:
        assert len(event.summary) <= 500
        assert len(event.description) <= 10_000
        assert 1 <= len(event.dedup_key) <= 512
        assert routing is None or routing.urgency in ("", "high", "medium", "low")
        (event.summary + event.description + event.dedup_key).encode()


def assert_no_mistake_of_ours(ruled: Ruled) -> None:
    """A mistake in our own code is caught; here it must not even happen."""
    assert not [w for w in ruled.warnings if "cannot be calculated" in w or "see the log" in w]


def test_rules_that_are_too_much_work_leave_the_rest_as_it_was_found() -> None:
    texts = RuleTexts(title="{{ payload.list }}")

    ruled = apply_rules(texts, [EVENT] * 5000, headers={}, query={}, body=nasty_body())

    assert ruled.events[-1] == (EVENT, None)
    assert ruled.warnings == [
        "rules: The rules are too much work for one delivery. Make them simpler."
    ]


NAMES = st.sampled_from(
    ["payload", "event", "headers", "query", "nope", "payload.a", "event.details", "payload.b[0]"]
)
WORDS = st.one_of(
    NAMES,
    st.integers(-(10**40), 10**40).map(str),
    st.floats().map(repr),
    st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(["true", "none", "[]", "{}", "[1, 'a']", "{'a': payload}", "(1,)"]),
)
FILTERED = [f"({{}})|{name}" for name in FILTERS] + [f"({{}})|{name}({{}})" for name in FILTERS]
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in"]
SHAPES = st.sampled_from(
    [
        *FILTERED,
        *[f"({{}}) {operator} ({{}})" for operator in (*OPERATORS, "and", "or")],
        *[f"({{}}) is {name}" for name in TESTS],
        "not {}",
        "-({})",
        "({})[{}]",
        "({})[{}:{}]",
        "({}).a.b",
        "[{}, {}]",
        "{} if {} else {}",
        "{}({})",
        "({})|replace({}, {})",
        "{{% if {} %}}{}{{% endif %}}",
    ]
)


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def fill(shape: str) -> st.SearchStrategy[str]:
        count = shape.count("{}")
        return st.lists(inner, min_size=count, max_size=count).map(lambda p: shape.format(*p))

    return SHAPES.flatmap(fill)


EXPRESSIONS = st.one_of(st.recursive(WORDS, grow, max_leaves=12), st.text(max_size=60))
TEMPLATES = st.one_of(EXPRESSIONS.map(lambda e: "{{ " + e + " }}"), EXPRESSIONS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | NAMES, inner, max_size=4)
    ),
    max_leaves=10,
)
BODIES = JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60)


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(TEMPLATES, EXPRESSIONS, BODIES, JSON)
def test_no_rule_raises_and_every_event_stays(
    template: str, expression: str, body: bytes, details: Any
) -> None:
    event = Event(
        action="trigger",
        dedup_key="k",
        details=details if isinstance(details, dict) else {"a": details},
    )
    texts = RuleTexts(
        template, template, template, template, expression, (route("R", expression, policy_id=1),)
    )

    ruled = apply_rules(texts, [event, event], headers={"a": "b"}, query={"c": ""}, body=body)

    assert len(ruled.events) == 2
    assert_stored_as_events(ruled)
    assert_no_mistake_of_ours(ruled)


@pytest.mark.django_db
def test_what_is_tried_does_not_stay_in_memory() -> None:
    # Each preview has other texts; the largest take 12 MB.
    empty: dict[str, Any] = {"headers": {}, "query": {}, "body": b"{}"}
    tried = [weakref.ref(_tried(RuleTexts(title=f"Try {n}"), empty)) for n in range(50)]
    gc.collect()

    assert sum(program() is not None for program in tried) <= 10


def _tried(texts: RuleTexts, message: dict[str, Any]) -> Any:
    """A part of what a preview made of the texts."""
    preview_rules(kind="webhook", texts=texts, **message)
    return read_tried_rules(texts).templates["title"].evaluate
