"""Better Stack Uptime: incident webhooks."""

import json

import pytest

from incidents.intake.events import InvalidPayload, Unsupported
from incidents.integrations.better_uptime import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "better-uptime"
HEADERS = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        ("started", "trigger", "better-uptime:90210", "warning", "Shop front: Status 503"),
        ("acknowledged", "acknowledge", "better-uptime:90210", "warning", "Shop front: Status 503"),
        ("resolved", "resolve", "better-uptime:90210", "warning", "Shop front: Status 503"),
        ("reopened", "trigger", "better-uptime:90210", "warning", "Shop front: Status 503"),
        (
            "resolved_without_event",
            "resolve",
            "better-uptime:90210",
            "warning",
            "Shop front: Status 503",
        ),
        ("plain_incident", "resolve", "better-uptime:77", "critical", "Mail queue: Too long"),
    ],
)
def test_a_message_becomes_one_event(
    name: str, action: str, key: str, severity: str, summary: str
) -> None:
    [event] = parse(HEADERS, {}, payload(KIND, name))

    assert (event.action, event.dedup_key, event.severity) == (action, key, severity)
    assert event.summary == summary


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("started", "resolved"),
        ("started", "resolved_without_event"),
    ],
)
def test_a_recovery_closes_what_the_problem_opened(opening: str, closing: str) -> None:
    [opened] = parse(HEADERS, {}, payload(KIND, opening))
    [closed] = parse(HEADERS, {}, payload(KIND, closing))

    assert (opened.action, closed.action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key


@pytest.mark.parametrize("name", ["comment", "monitor_change", "status_page"])
def test_a_message_that_is_no_alert_is_ignored(name: str) -> None:
    with pytest.raises(Unsupported):
        parse(HEADERS, {}, payload(KIND, name))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "data.id"),
        (b'{"data": []}', "data.id"),
        (b'{"event": "started", "data": {"id": null}}', "data.id"),
    ],
)
def test_a_body_that_cannot_be_understood_names_its_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse(HEADERS, {}, body)

    assert list(caught.value.fields) == [field]


def test_another_incident_has_another_key() -> None:
    body = json.loads(payload(KIND, "started"))
    body["data"]["id"] = "90211"

    [event] = parse(HEADERS, {}, json.dumps(body).encode())

    assert event.dedup_key == "better-uptime:90211"


def test_a_late_message_of_an_incident_that_is_over_opens_nothing() -> None:
    body = json.loads(payload(KIND, "resolved"))
    body["event"] = "started"

    [event] = parse(HEADERS, {}, json.dumps(body).encode())

    assert event.action == "resolve"


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
