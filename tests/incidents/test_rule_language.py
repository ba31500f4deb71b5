"""What templates and expressions of rules can say, and what is refused when it is written."""

from typing import Any

import pytest

from incidents.intake.rule_language import BadRule, read_expression, read_template
from incidents.intake.rules import RuleTexts
from tests.incidents.ruling import rule


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
        ("{{ 'say \"x\"'|tojson }} {{ tags|tojson }}", '"say \\"x\\"" ["prod", "eu"]'),
        ("{{ value|tojson }} {{ nothing|tojson }} {{ nope|tojson }}", "97.5 null null"),
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


def test_secrets_of_the_body_are_masked() -> None:
    texts = RuleTexts(description="{{ payload }}")
    body = {"routing_key": "k3y", "shared_secret": "hush"}

    event, _, _ = rule(texts, body=body, kind="honeycomb", key="k3y")

    assert event.description == '{"routing_key": "•••", "shared_secret": "•••"}'


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
