"""The examples of docs/reference/rules.md do what they say."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from incidents.intake.decide import URGENCY_OF
from incidents.intake.rule_filters import FILTERS, TESTS
from incidents.intake.rules import FIELDS, RouteText, RuleTexts, apply_rules, read_rules
from incidents.integrations import PARSERS

PAGE = (Path(__file__).parents[2] / "docs/reference/rules.md").read_text()
EXAMPLE = re.compile(
    r"^### (?P<title>[^\n]+) \(`(?P<kind>[\w-]+)`\)\n\n"
    r"```json\n(?P<body>.+?)```\n\n```jinja\n(?P<rules>.+?)```\n\n```text\n(?P<result>.+?)```",
    re.MULTILINE | re.DOTALL,
)


class Example(NamedTuple):
    """One of the page."""

    title: str
    kind: str
    body: bytes
    texts: RuleTexts
    result: dict[str, str]


def read(found: re.Match[str]) -> Example:
    rules = dict(line.split(": ", 1) for line in found["rules"].splitlines())
    routes = tuple(
        RouteText(name.removeprefix("route "), condition, None, "", "", False)
        for name, condition in rules.items()
        if name.startswith("route ")
    )
    texts = RuleTexts(**{name: rules.get(name, "") for name in FIELDS}, routes=routes)
    result = dict(line.split(": ", 1) for line in found["result"].splitlines())
    return Example(found["title"], found["kind"], found["body"].encode(), texts, result)


EXAMPLES = [read(found) for found in EXAMPLE.finditer(PAGE)]


def test_all_examples_are_found() -> None:
    assert len(EXAMPLES) == PAGE.count("```jinja") > 3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_example_does_what_it_says(example: Example) -> None:
    events = PARSERS[example.kind]({}, {}, example.body)

    ruled = apply_rules(example.texts, events, headers={}, query={}, body=example.body)

    [(event, routing)] = ruled.events
    shown = {
        "title": event.summary,
        "description": event.description,
        "dedup_key": event.dedup_key,
        "action": event.action,
        "urgency": (routing and routing.urgency) or URGENCY_OF[event.severity],
        "route": routing.route if routing else "",
    }
    assert ruled.warnings == []
    assert {name: shown[name] for name in example.result} == example.result
    assert read_rules(example.texts).problems == {}


def test_every_filter_and_test_is_on_the_page() -> None:
    filters = next(line for line in PAGE.splitlines() if line.startswith("| filters |"))
    tests = next(line for line in PAGE.splitlines() if line.startswith("| tests |"))

    assert set(re.findall(r"`(\w+)[(`]", filters)) == set(FILTERS)
    assert set(re.findall(r"`is (\w+)`", tests)) == set(TESTS)
