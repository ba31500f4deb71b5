"""Sentry's webhooks: integration platform, plugin, and objects at the top."""

import json
from datetime import UTC, datetime

import pytest

from incidents.intake.events import InvalidPayload, Unsupported
from incidents.integrations.sentry import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

ISSUE = "sentry:880011"
METRIC = "sentry:metric:41"
TITLE = "KeyError: 'basket'"


def resource_of(name: str) -> str:
    first = name.split("_")[0]
    return {"event": "event_alert", "metric": "metric_alert"}.get(first, first)


@pytest.mark.parametrize("with_header", [True, False])
@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("issue_created", ("trigger", ISSUE, "critical", TITLE, "shop")),
        ("issue_unresolved", ("trigger", ISSUE, "critical", TITLE, "shop")),
        ("issue_resolved", ("resolve", ISSUE, "critical", TITLE, "shop")),
        ("issue_assigned_by_person", ("acknowledge", ISSUE, "critical", TITLE, "shop")),
        ("issue_archived_by_person", ("acknowledge", ISSUE, "critical", TITLE, "shop")),
        ("error_created", ("trigger", ISSUE, "error", TITLE, "shop")),
        # Without issue_id: the number is in the issue's address.
        ("event_alert_triggered", ("trigger", ISSUE, "error", TITLE, "shop")),
        ("metric_critical", ("trigger", METRIC, "critical", "Critical: Too many errors", "shop")),
        ("metric_warning", ("trigger", METRIC, "warning", "Warning: Too many errors", "shop")),
        ("metric_resolved", ("resolve", METRIC, "info", "Resolved: Too many errors", "shop")),
    ],
)
def test_platform_body_becomes_event(
    name: str, event: tuple[str, str, str, str, str], with_header: bool
) -> None:
    headers = {"sentry-hook-resource": resource_of(name)} if with_header else {}

    [e] = parse(headers, {}, payload("sentry", name))

    assert (e.action, e.dedup_key, e.severity, e.summary, e.source) == event


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("plugin", ("trigger", ISSUE, "warning", "Card was declined twice", "shop")),
        ("top_level_issue", ("trigger", ISSUE, "critical", TITLE, "shop")),
        ("top_level_issue_resolved", ("resolve", ISSUE, "critical", TITLE, "shop")),
        ("top_level_event", ("trigger", "sentry:880099", "warning", "Mail was refused", "shop")),
    ],
)
def test_older_body_becomes_event(name: str, event: tuple[str, str, str, str, str]) -> None:
    [e] = parse({}, {}, payload("sentry", name))

    assert (e.action, e.dedup_key, e.severity, e.summary, e.source) == event


@pytest.mark.parametrize(
    "name",
    ["issue_created", "error_created", "event_alert_triggered", "plugin", "top_level_issue"],
)
def test_resolving_the_issue_closes_what_any_of_these_opened(name: str) -> None:
    [firing] = parse({}, {}, payload("sentry", name))
    [resolved] = parse({}, {}, payload("sentry", "issue_resolved"))

    assert (firing.action, resolved.action) == ("trigger", "resolve")
    assert firing.dedup_key == resolved.dedup_key


def test_event_keeps_its_moment_and_link() -> None:
    [event] = parse({}, {}, payload("sentry", "error_created"))

    assert event.occurred_at == datetime(2026, 2, 1, 8, 0, 1, 500000, tzinfo=UTC)
    assert event.links[0]["href"].startswith("https://sentry.example.com/organizations/acme/issues")


def test_default_fingerprint_is_nobodys_key() -> None:
    def key(event_id: str) -> str:
        event = {"event_id": event_id, "fingerprint": ["{{ default }}"], "title": "x"}
        return parse({}, {}, json.dumps({"data": {"event": event}}).encode())[0].dedup_key

    assert key("a1") != key("b2")


@pytest.mark.parametrize(
    "name", ["issue_assigned_by_rule", "issue_unassigned", "installation", "comment"]
)
def test_what_is_no_alert_opens_nothing(name: str) -> None:
    with pytest.raises(Unsupported):
        parse({}, {}, payload("sentry", name))


@pytest.mark.parametrize("resource", ["installation", "comment", "seer"])
def test_other_resources_open_nothing(resource: str) -> None:
    with pytest.raises(Unsupported):
        parse({"sentry-hook-resource": resource}, {}, b'{"action": "created", "data": {"x": 1}}')


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "data.issue"),
        (b'{"data": {"issue": []}}', "data.issue"),
        (b'{"data": {"issue": {"title": "x"}}}', "data.issue.id"),
        (b'{"data": {"event": {"title": "x"}}}', "data.event.issue_id"),
        (b'{"action": "critical", "data": {"metric_alert": {"a": 1}}}', "data.metric_alert.id"),
        (b'{"data": {"metric_alert": {"id": 1}}}', "action"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({}, {}, body)

    assert list(refused.value.fields) == [field]


@pytest.mark.parametrize("resource", ["", "issue", "metric_alert"])
def test_bad_input_is_refused_by_name(resource: str) -> None:
    fuzz(parse, "sentry", {"sentry-hook-resource": resource}, examples=150)
