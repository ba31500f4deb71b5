"""What rules make of events: pure. Nothing that responders write may break or slow the door."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.intake.events import Event, fit_dedup_key
from incidents.intake.rule_filters import FILTERS, TESTS
from incidents.intake.rule_language import BadRule, read_expression, read_template
from incidents.intake.rules import (
    Delivered,
    RouteText,
    Routing,
    Ruled,
    RuledEvent,
    RuleTexts,
    apply_rules,
    rule_events,
)
from incidents.integrations import prometheus

EVENT = Event(
    action="trigger",
    dedup_key="disk",
    summary="Disk full",
    description="97 % used",
    severity="error",
    source="db-1",
    details={"labels": {"team": "database", "tier": "1"}, "tags": ["prod", "eu"]},
)
PAYLOAD = {
    "title": "Disk",
    "host": {"name": "db-1", "items": 3, "_id": "x7"},
    "value": 97.5,
    "count": "12",
    "tags": ["prod", "eu"],
    "ok": False,
    "nothing": None,
    "dotted.name": "yes",
    "event": "shadowed",
}


def rule(
    texts: RuleTexts, event: Event = EVENT, body: Any = PAYLOAD, **sent: Any
) -> tuple[Event, Routing | None, list[str]]:
    """One event through the rules: the event, its routing, the warnings."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"headers": {}, "query": {}} | sent
    ruled = apply_rules(texts, [event], body=raw, **sent)
    [(result, routing)] = ruled.events
    return result, routing, list(ruled.warnings)


def render(template: str, **sent: Any) -> str:
    """A template's text, by way of the description."""
    result, _, warnings = rule(RuleTexts(description=f"<{template}>"), **sent)
    assert warnings == []
    return result.description[1:-1]


def holds(expression: str, **sent: Any) -> bool:
    result, _, warnings = rule(RuleTexts(resolve_when=expression), **sent)
    assert warnings == []
    return result.action == "resolve"


# Texts


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ payload.title }}", "Disk"),
        ("{{ title }}", "Disk"),  # a field of the body, without "payload."
        ("{{ event.summary }} on {{ event.source|upper }}", "Disk full on DB-1"),
        ("{{ payload.event }}{{ event.source }}", "shadoweddb-1"),  # the parser's event comes first
        ("{{ host.name }}", "db-1"),
        ("{{ host['name'] }}", "db-1"),
        ("{{ host.items }}", "3"),  # data, never a method
        ("{{ host._id }}", "x7"),
        ("{{ payload['dotted.name'] }}", "yes"),
        ("{{ tags[0] }}{{ tags[-1] }}{{ tags[9] }}", "prodeu"),
        ("{{ tags|join('/') }}", "prod/eu"),
        ("{{ value }}", "97.5"),
        ("{{ ok }}{{ nothing }}", "false"),  # null is nothing
        ("{{ host }}", '{"name": "db-1", "items": 3, "_id": "x7"}'),
        ("{{ nope.deeper['still'][0] }}", ""),
        ("{{ nope|default('none') }}", "none"),
        ("{{ nothing|default('none') }}", "none"),
        ("{{ ''|default('none', true) }}", "none"),
        ("{{ 'a' ~ 1 ~ 'b' }}", "a1b"),
        ("{{ 'a' + 'b' }}{{ 1 + 2 * 3 - 4 / 2 }}", "ab5.0"),
        ("{{ -value }}", "-97.5"),
        ("{{ value|round }} {{ value|int }} {{ count|int + 1 }} {{ 'x'|int }}", "98 97 13 0"),
        ("{{ value|round(1) }} {{ '2.5'|float }} {{ (-3)|abs }}", "97.5 2.5 3"),
        ("{{ title[:2] }}{{ title|first }}{{ title|last }}{{ tags|length }}", "DiDk2"),
        ("{{ 'a-b'|replace('-', '+')|title }}", "A+B"),
        ("{{ ' x '|trim }}{{ 'abcdef'|truncate(3) }}{{ 'aB'|capitalize }}", "xab…Ab"),
        ("{% if value > 90 %}high{% elif value > 50 %}mid{% else %}low{% endif %}", "high"),
        ("{{ 'big' if value > 90 else 'small' }}", "big"),
        ("{{ {'error': 'E', 'info': 'I'}[event.severity] }}", "E"),
        ("{{ event.details.labels.team }}", "database"),
        ("{# said nowhere #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ],
)
def test_templates_render(template: str, text: str) -> None:
    assert render(template) == text


@pytest.mark.parametrize(
    ("expression", "is_true"),
    [
        ("event.severity == 'error'", True),
        ("event.severity in ['error', 'critical']", True),
        ("event.severity not in ['info']", True),
        ("value > 90 and value <= 97.5", True),
        ("90 < value < 97", False),
        ("not ok", True),
        ("nope", False),
        ("nope == 'x' or nope != 'x'", True),
        ("nope > 3", False),
        ("nothing < 3", False),
        ("'prod' in tags", True),
        ("'Dis' in title", True),
        ("'name' in host", True),
        ("'x' in nope", False),
        ("tags|contains('eu') and title|startswith('D') and title|endswith('k')", True),
        ("nope is defined", False),
        ("nope is not defined", True),
        ("value is number and title is string and ok is false and nothing is none", True),
        ("host is mapping and tags is sequence and ok is boolean", True),
        ("tags == []", False),
        ("nope == nope", False),
    ],
)
def test_expressions_hold(expression: str, is_true: bool) -> None:
    assert holds(expression) is is_true


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (b"host=db-1&x=%20y", "application/x-www-form-urlencoded; charset=utf-8", "db-1"),
        (b'{"host": "db-1"}', "application/x-www-form-urlencoded", "db-1"),
        (b"plain text", "text/plain", ""),
        (b"\xff\xfe", "", ""),
        (b"[" * 5000, "", ""),
        (b"", "", ""),
    ],
)
def test_bodies_of_every_form_are_read(body: bytes, content_type: str, text: str) -> None:
    assert render("{{ host }}", body=body, headers={"content-type": content_type}) == text


def test_text_body_is_the_payload() -> None:
    assert render("{{ payload|upper }}", body=b"it burns") == "IT BURNS"


def test_secrets_of_headers_and_query_are_masked() -> None:
    sent = {
        "headers": {"authorization": "Bearer abc", "user-agent": "Grafana"},
        "query": {"token": "abc", "team": "db"},
    }

    text = render("{{ headers }} {{ query }}", **sent)

    assert "abc" not in text
    assert "Grafana" in text
    assert "db" in text


def test_integration_key_is_masked_wherever_it_stands() -> None:
    texts = RuleTexts(title="{{ headers.referer }}")

    event, _, _ = rule(texts, headers={"referer": "https://x/k3y/"}, key="k3y")

    assert event.summary == "https://x/•••/"


# Effects


def test_every_template_changes_its_part() -> None:
    texts = RuleTexts(
        title="{{ host.name }} is\nfull",
        description="{{ value }} %\nused",
        dedup_key="{{ host.name }}/disk",
        urgency="{{ 'critical' }}",
        resolve_when="value < 10",
    )

    event, routing, warnings = rule(texts)

    assert (event.summary, event.description) == ("db-1 is full", "97.5 %\nused")
    assert (event.dedup_key, event.action) == ("db-1/disk", "trigger")
    assert routing == Routing(urgency="high")
    assert warnings == []
    assert (event.severity, event.source) == (EVENT.severity, EVENT.source)


@pytest.mark.parametrize("blank", ["{{ nope }}", "  ", "{{ '' }}", "{# #}"])
def test_empty_results_leave_what_the_parser_found(blank: str) -> None:
    texts = RuleTexts(title=blank, description=blank, dedup_key=blank, urgency=blank)

    assert rule(texts) == (EVENT, None, [])


@pytest.mark.parametrize(
    ("word", "urgency"),
    [
        ("high", "high"), ("MEDIUM", "medium"), (" low ", "low"),
        ("critical", "high"), ("warning", "medium"), ("info", "low"), ("P1", "high"),
    ],
)  # fmt: skip
def test_urgency_takes_the_words_of_severity(word: str, urgency: str) -> None:
    _, routing, warnings = rule(RuleTexts(urgency=word))

    assert routing == Routing(urgency=urgency)
    assert warnings == []


def test_unknown_urgency_is_left_out_and_named() -> None:
    event, routing, warnings = rule(RuleTexts(urgency="huge"))

    assert (event, routing) == (EVENT, None)
    assert warnings == ["urgency: “huge” is none of high, medium, low."]


def test_texts_fit_into_an_event() -> None:
    texts = RuleTexts(title="{{ big }}", description="{{ big }}{{ big }}", dedup_key="{{ big }}")

    event, _, warnings = rule(texts, body={"big": "x" * 100_000})

    assert (len(event.summary), len(event.description)) == (500, 10_000)
    assert event.dedup_key == fit_dedup_key("x" * 10_000)
    assert warnings == []


def test_half_characters_and_nul_do_not_reach_the_database() -> None:
    texts = RuleTexts(title=r'{{ "\ud800\x00a" }}', dedup_key=r'{{ "\ud800\x00b" }}')

    event, _, _ = rule(texts)

    assert (event.summary, event.dedup_key) == ("? a", "?b")


def test_events_of_one_body_are_rendered_each_with_its_own() -> None:
    body = json.dumps(
        {
            "alerts": [
                {"labels": {"alertname": "A", "team": "db"}, "fingerprint": "1"},
                {"labels": {"alertname": "B", "team": "web"}, "fingerprint": "2"},
            ],
            "receiver": "ops",
        }
    ).encode()
    texts = RuleTexts(
        title="{{ receiver }}: {{ event.details.labels.team }}",
        routes=(route("Web", "event.details.labels.team == 'web'"),),
    )

    ruled = apply_rules(texts, prometheus.parse({}, {}, body), headers={}, query={}, body=body)

    assert [event.summary for event, _ in ruled.events] == ["ops: db", "ops: web"]
    assert [r.route if r else "" for _, r in ruled.events] == ["", "Web"]


# Routes


def route(name: str, condition: str, **effects: Any) -> RouteText:
    values = {"policy_id": None, "urgency": "", "priority": "", "is_suppressed": False} | effects
    return RouteText(name, condition, **values)


def test_first_route_that_matches_wins() -> None:
    routes = (
        route("Web", "event.source == 'web-1'", policy_id=1),
        route("Database", "event.source == 'db-1'", policy_id=2, urgency="high", priority="P1"),
        route("Default", "", policy_id=3),
    )

    assert rule(RuleTexts(routes=routes))[1] == Routing("Database", 2, "high", "P1", False)


def test_default_route_takes_what_no_other_does() -> None:
    routes = (route("Web", "event.source == 'web-1'"), route("Rest", "", is_suppressed=True))

    assert rule(RuleTexts(routes=routes))[1] == Routing("Rest", is_suppressed=True)


def test_without_a_match_nothing_is_routed() -> None:
    assert rule(RuleTexts(routes=(route("Web", "false", policy_id=1),)))[1] is None


@pytest.mark.parametrize(("own", "urgency"), [("", "low"), ("high", "high")])
def test_urgency_of_a_route_beats_the_template(own: str, urgency: str) -> None:
    _, routing, _ = rule(RuleTexts(urgency="low", routes=(route("All", "", urgency=own),)))

    assert routing == Routing("All", urgency=urgency)


def test_routes_see_what_the_parser_found_not_what_templates_wrote() -> None:
    texts = RuleTexts(title="Other", routes=(route("Disk", "event.summary == 'Disk full'"),))

    assert rule(texts)[1] == Routing("Disk")


@pytest.mark.parametrize("broken", ["value + 'x' > 1", "1 / 0", "broken (", "tags < 3"])
def test_broken_route_is_passed_over_and_nothing_after_it_is_suppressed(broken: str) -> None:
    routes = (route("Broken", broken), route("Noise", "", is_suppressed=True, policy_id=7))

    _, routing, [warning] = rule(RuleTexts(routes=routes))

    assert routing == Routing("Noise", 7, is_suppressed=False)
    assert warning.startswith("routes.0.condition: ")


# What is refused when it is written


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% for x in payload %}{{ x }}{% endfor %}", "no loops"),
        ("{% set x = 1 %}", "only {% if %}"),
        ("{% macro m() %}{% endmacro %}", "only {% if %}"),
        ("{% include 'x' %}", "only {% if %}"),
        ("{% import 'x' as y %}", "only {% if %}"),
        ("{% extends 'x' %}", "only {% if %}"),
        ("{% block b %}{% endblock %}", "only {% if %}"),
        ("{% call x() %}{% endcall %}", "only {% if %}"),
        ("{% filter upper %}x{% endfilter %}", "only {% if %}"),
        ("{% with x = 1 %}{% endwith %}", "only {% if %}"),
        ("{% autoescape true %}{% endautoescape %}", "only {% if %}"),
        ("{{ range(10) }}", "cannot be called"),
        ("{{ payload.keys() }}", "cannot be called"),
        ("{{ 'x'.format(payload) }}", "cannot be called"),
        ("{{ ''.__class__ }}", "two underscores"),
        ("{{ payload.__init__.__globals__ }}", "two underscores"),
        ("{{ __import__ }}", "two underscores"),
        ("{{ ''|attr('__class__') }}", "no filter attr"),
        ("{{ payload|map(attribute='x') }}", "no filter map"),
        ("{{ 2 ** 100000 }}", "operator"),
        ("{{ '%099999999d' % 1 }}", "operator"),
        ("{{ 7 // 2 }}", "not available"),
        ("{{ x[::2] }}", "no step"),
        ("{{ x|default(default_value='y') }}", "without names"),
        ("{{ x|replace('a') }}", "takes 2 values"),
        ("{{ x|upper('a') }}", "takes 0 values"),
        ("{{ x is divisibleby(3) }}", "no test divisibleby"),
        ("{{ x is sameas x }}", "no test sameas"),
        ("{{ 9" + "9" * 500 + " }}", "too large"),
        ("{{ 1e999 }}", "too large"),
        ("{{ " + "(" * 900 + "1" + ")" * 900 + " }}", "nested"),
        ("{{ " + "[" * 100 + "]" * 100 + " }}", "nested"),
        ("{{ x" + "|upper" * 100 + " }}", "nested"),
        ("{{ " + "not " * 100 + "x }}", "nested"),
        ("{% if x %}" * 80 + "{% endif %}" * 80, "nested"),
        ("x" * 2001, "2000 characters"),
        ("{{ x", "Line 1"),
        ("a\n\n{{ x y }}", "Line 3"),
        ("{% endif %}", "Line 1"),
        ("{{ '\\N{no such name}' }}", "Line 1"),
    ],
)
def test_what_rules_do_not_have_is_refused(source: str, said: str) -> None:
    with pytest.raises(BadRule) as refused:
        read_template(source)

    assert said in str(refused.value)


@pytest.mark.parametrize("source", ["{{ x }}", "{% if x %}1{% endif %}", "x y", "", "x)", "x ="])
def test_what_is_no_expression_is_refused(source: str) -> None:
    with pytest.raises(BadRule):
        read_expression(source)


# Nothing breaks, nothing takes long

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


@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
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


# For whoever writes rules


def previewed(texts: RuleTexts) -> RuledEvent:
    delivery = Delivered({}, {}, json.dumps(PAYLOAD).encode())
    return next(rule_events(texts, [EVENT], delivery, wants_hints=True))


def test_missing_fields_that_are_used_are_hinted_at() -> None:
    texts = RuleTexts(
        title="{{ host.nope }} {{ event.details.labels['zone'] }} {{ gone|default('x') }}",
        resolve_when="payload.state == 'fine' or absent is defined",
    )

    assert previewed(texts).hints == (
        "host.nope", "event.details.labels['zone']", "payload.state",
    )  # fmt: skip


def test_matching_route_is_known_by_its_place() -> None:
    texts = RuleTexts(routes=(route("A", "false"), route("B", "true")))

    assert previewed(texts).route == 1
