"""PagerDuty's change events."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from incidents.intake.events import MAX_SUMMARY, Event, InvalidPayload
from incidents.integrations.pagerduty_changes import parse_change
from tests.incidents.integrations.fuzzing import fuzz, payload


def test_deploy_is_understood() -> None:
    c = parse_change({}, {}, payload("pagerduty_changes", "deploy"))

    assert (c.summary, c.source) == ("Shop 4.2.0 was deployed", "ci.example.com")
    assert c.occurred_at == datetime(2026, 11, 23, 10, 0, 0, 315_000, tzinfo=UTC)
    assert c.details == {"build": "220", "author": "kim"}
    assert c.links == [
        {"href": "https://ci.example.com/builds/220", "text": "Build 220"},
        {"href": "https://ci.example.com/graph", "text": "Graph"},
    ]


def test_only_a_summary_is_needed() -> None:
    assert parse_change({}, {}, payload("pagerduty_changes", "bare")).source == ""


def test_long_summary_is_shortened_not_refused() -> None:
    body = b'{"payload": {"summary": "%s"}}' % (b"x" * 1500)

    assert len(parse_change({}, {}, body).summary) == MAX_SUMMARY


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "payload.summary"),
        (b'{"payload": {"summary": "  "}}', "payload.summary"),
        (b'{"payload": {"summary": 5}}', "payload.summary"),
        (b"[]", "body"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse_change({}, {}, body)

    assert list(refused.value.fields) == [field]


def test_bad_input_is_refused_by_name() -> None:
    def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
        c = parse_change(headers, query, body)
        return [
            Event(
                action="trigger",
                dedup_key="change",
                summary=c.summary,
                source=c.source,
                details=c.details,
                links=c.links,
                occurred_at=c.occurred_at,
            )
        ]

    fuzz(parse, "pagerduty_changes")
