"""The door: what is stored, what is answered, and to whom."""

from typing import Any

import pytest

from incidents.models import Alert, Incident, Integration, Service, TimelineEntry
from tests.incidents.doors import Door, integration, knock

__all__ = ["integration", "knock"]

TRIGGER = {
    "event_action": "trigger",
    "dedup_key": "disk-full",
    "payload": {"summary": "Disk full on db-1", "source": "db-1", "severity": "critical"},
}


def make_integration(kind: str, **fields: Any) -> Integration:
    service = Service.objects.create(name=f"Service of {kind}")
    return Integration.objects.create(service=service, name=f"My {kind}", kind=kind, **fields)


def alertmanager_body(status: str, *fingerprints: str) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="HighLatency"}',
        "status": status,
        "receiver": "opsknight",
        "groupLabels": {"alertname": "HighLatency"},
        "commonLabels": {"alertname": "HighLatency"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "alerts": [
            {
                "status": status,
                "labels": {"alertname": "HighLatency", "instance": f, "severity": "critical"},
                "annotations": {"summary": f"Latency of {f}"},
                "startsAt": "2026-11-23T10:00:00.123456789Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.example/graph?g0",
                "fingerprint": f,
            }
            for f in fingerprints
        ],
    }


def test_trigger_opens_an_incident_that_escalates_now(knock: Door, integration: Integration):
    answer = knock.event(integration, **TRIGGER)

    incident = Incident.objects.get()
    assert answer.status_code == 202
    assert answer.json()["result"]["action"] == "triggered"
    assert answer.json()["result"]["incident"]["id"] == incident.pk
    assert (incident.title, incident.status, incident.urgency) == (
        "Disk full on db-1",
        "triggered",
        "high",
    )
    assert incident.escalate_at is not None
    assert incident.alert_count == 1
    assert [e.kind for e in incident.timeline.all()] == ["triggered"]


def test_second_trigger_with_the_key_joins_the_open_incident(knock: Door, integration: Integration):
    knock.event(integration, **TRIGGER)

    answer = knock.event(integration, **TRIGGER)

    incident = Incident.objects.get()
    assert answer.json()["result"]["action"] == "deduplicated"
    assert incident.alert_count == 2
    assert Alert.objects.filter(incident=incident).count() == 2
    assert TimelineEntry.objects.filter(kind="alert").count() == 1


def test_same_key_on_two_services_opens_two_incidents(knock: Door, integration: Integration):
    other = make_integration("events")

    knock.event(integration, **TRIGGER)
    knock.event(other, **TRIGGER)

    assert Incident.objects.count() == 2


def test_acknowledge_stops_the_timer(knock: Door, integration: Integration):
    knock.event(integration, **TRIGGER)

    answer = knock.event(integration, event_action="acknowledge", dedup_key="disk-full")

    incident = Incident.objects.get()
    assert answer.json()["result"]["action"] == "acknowledged"
    assert incident.status == "acknowledged"
    assert incident.escalate_at is None
    assert incident.acknowledged_at is not None


def test_resolve_then_trigger_opens_a_new_incident(knock: Door, integration: Integration):
    knock.event(integration, **TRIGGER)
    knock.event(integration, event_action="resolve", dedup_key="disk-full")

    answer = knock.event(integration, **TRIGGER)

    assert answer.json()["result"]["action"] == "triggered"
    assert list(Incident.objects.order_by("id").values_list("status", flat=True)) == [
        "resolved",
        "triggered",
    ]


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_nothing_open_is_ignored_but_kept(knock: Door, integration: Integration, action: str):
    answer = knock.event(integration, event_action=action, dedup_key="unknown")

    assert answer.status_code == 202
    assert answer.json()["result"]["action"] == "ignored"
    assert Incident.objects.count() == 0
    assert Alert.objects.get().incident is None


def test_a_resolve_without_a_clock_never_swallows_the_next_trigger(
    knock: Door, integration: Integration
):
    knock.event(integration, event_action="resolve", dedup_key="disk-full")

    answer = knock.event(integration, **TRIGGER)

    assert answer.json()["result"]["action"] == "triggered"


def test_a_trigger_that_happened_before_its_resolve_arrives_resolved(
    knock: Door, integration: Integration
):
    resolve = {"timestamp": "2026-11-23T10:05:00Z"}
    trigger = TRIGGER | {"payload": TRIGGER["payload"] | {"timestamp": "2026-11-23T10:00:00Z"}}  # type: ignore[operator]
    knock.event(integration, event_action="resolve", dedup_key="disk-full", payload=resolve)

    answer = knock.event(integration, **trigger)

    assert answer.json()["result"]["action"] == "resolved"
    assert Incident.objects.get().escalate_at is None


def test_acknowledge_by_event_wakes_a_snoozed_incident(knock: Door, integration: Integration):
    knock.event(integration, **TRIGGER)
    Incident.objects.update(
        status="snoozed", escalate_at=None, snoozed_until="2030-01-01T00:00:00Z"
    )

    knock.event(integration, event_action="acknowledge", dedup_key="disk-full")

    incident = Incident.objects.get()
    assert (incident.status, incident.snoozed_until) == ("acknowledged", None)


@pytest.mark.parametrize(
    ("kind", "path", "speaks_pagerduty"),
    [
        ("pagerduty", "/v2/enqueue", True),
        ("pagerduty", "/v2/enqueue/", True),
        ("events", "/v2/enqueue", True),
    ],
)
def test_an_unmodified_pagerduty_client_is_understood(
    knock: Door, kind: str, path: str, speaks_pagerduty: bool
):
    owner = make_integration(kind)
    body = {
        "routing_key": owner.key,
        "event_action": "trigger",
        "payload": {"summary": "Down", "source": "web", "severity": "warning"},
        "client": "Monit",
        "client_url": "https://monit.example",
    }

    answer = knock.post(path, body)

    incident = Incident.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {
        "status": "success",
        "message": "Event processed",
        "dedup_key": incident.dedup_key,
    }
    assert incident.urgency == "medium"


def test_alertmanager_group_opens_one_incident_per_alert_and_resolves_it(knock: Door):
    owner = make_integration("prometheus")
    path = f"/api/integrations/prometheus/{owner.key}"

    opened = knock.post(path, alertmanager_body("firing", "a", "b"))
    closed = knock.post(path, alertmanager_body("resolved", "a"))

    assert [r["action"] for r in opened.json()["results"]] == ["triggered", "triggered"]
    assert [r["action"] for r in closed.json()["results"]] == ["resolved"]
    assert dict(Incident.objects.values_list("dedup_key", "status")) == {
        "a": "resolved",
        "b": "triggered",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer {key}"},
        {"authorization": "Token token={key}"},
        {"x_integration_key": "{key}"},
        {"x_api_key": "{key}"},
    ],
)
def test_the_originals_address_takes_the_key_in_a_header(knock: Door, headers: dict[str, str]):
    owner = make_integration("webhook")
    filled = {k: v.format(key=owner.key) for k, v in headers.items()}

    answer = knock.post(
        f"/api/integrations/webhook?integrationId={owner.pk}", {"title": "Hello"}, **filled
    )

    assert answer.status_code == 202
    assert Incident.objects.get().title == "Hello"


def test_firing_and_resolving_in_one_body_leaves_it_resolved(knock: Door):
    owner = make_integration("prometheus")
    body = alertmanager_body("firing", "a")
    body["alerts"] += alertmanager_body("resolved", "a")["alerts"]

    answer = knock.post(f"/api/integrations/prometheus/{owner.key}", body)

    assert [r["action"] for r in answer.json()["results"]] == ["triggered", "resolved"]
    assert Incident.objects.get().status == "resolved"


def test_a_ping_is_answered_200_ignored_and_recorded(knock: Door):
    owner = make_integration("webhook")

    answers = [
        knock.post(f"/api/integrations/webhook/{owner.key}", {"action": word})
        for word in ("ping", "Ping")
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["result"]["action"] == "ignored"
    assert [d.verdict for d in owner.deliveries.all()] == ["ignored", "ignored"]
    assert Alert.objects.count() == 0


# --- Who is let in --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "path", "status"),
    [
        ({}, "/api/integrations/prometheus/{key}", 403),  # a key of another kind
        ({"enabled": False}, "/api/integrations/webhook/{key}", 403),
        ({}, "/api/integrations/webhook/ffffffffffffffffffffffffffffffff", 403),
        ({}, "/api/integrations/webhook?integrationId=1", 401),  # no key at all
        ({}, "/api/integrations/nonsense/{key}", 404),
        ({}, "/api/integrations/webhook/%00", 403),
        ({}, "/api/integrations/webhook?integrationId=999999&key={key}", 403),
    ],
)
def test_who_has_no_right_key_is_refused_and_nothing_is_stored(
    knock: Door, fields: dict[str, Any], path: str, status: int
):
    owner = make_integration("webhook", **fields)

    answer = knock.post(path.format(key=owner.key), {"title": "Hello"})

    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "fields"}
    assert Alert.objects.count() == 0


def test_a_key_disabled_a_moment_ago_is_refused(knock: Door, integration: Integration):
    knock.event(integration, **TRIGGER)
    Integration.objects.update(enabled=False)

    answer = knock.event(integration, **TRIGGER)

    assert answer.status_code == 403
    assert Alert.objects.count() == 1


def test_a_key_rotated_a_moment_ago_is_refused(knock: Door, integration: Integration):
    knock.event(integration, **TRIGGER)
    Integration.objects.update(key="a" * 32)

    answer = knock.event(integration, **TRIGGER)

    assert answer.status_code == 403
    assert Alert.objects.count() == 1


def test_pagerduty_refusals_have_pagerdutys_shape(knock: Door):
    owner = make_integration("pagerduty")
    without_summary = {"routing_key": owner.key, "event_action": "trigger", "payload": {}}

    unknown = knock.post("/v2/enqueue", {"routing_key": "f" * 32, "event_action": "trigger"})
    blank = knock.post("/v2/enqueue", without_summary)
    broken = knock.post("/v2/enqueue", content=b"{")

    assert unknown.status_code == 403
    assert blank.status_code == broken.status_code == 400
    assert blank.json()["errors"] == ["'payload.summary' is missing or blank"]
    for answer in (unknown, blank, broken):
        assert set(answer.json()) == {"status", "message", "errors"}
        assert answer.json()["status"] == "invalid event"


# --- Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"event_action": "explode"}, "event_action"),
        ({}, "event_action"),
        ({"event_action": "trigger", "dedup_key": 5}, "dedup_key"),
        ({"event_action": "trigger", "payload": {}}, "payload.summary"),
        ({"event_action": "trigger", "payload": "down"}, "payload"),
        ({"event_action": "trigger", "payload": {"summary": 5}}, "payload.summary"),
        (
            {"event_action": "trigger", "payload": {"summary": "x", "severity": "huge"}},
            "payload.severity",
        ),
        ({"event_action": "resolve"}, "dedup_key"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    knock: Door, integration: Integration, body: dict[str, Any], field: str
):
    answer = knock.event(integration, **body)

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == [field]
    assert Alert.objects.count() == 0


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"event_action": "\xff"}', b"[" * 100_000]
)
def test_nonsense_is_a_400(knock: Door, integration: Integration, content: bytes):
    answer = knock.post(
        "/api/events", content=content, authorization=f"Token token={integration.key}"
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert Alert.objects.count() == 0


def test_a_body_over_the_limit_is_a_413_that_names_it(knock: Door, integration: Integration):
    answer = knock.post(
        "/api/events",
        content=b" " * (1024 * 1024 + 1),
        authorization=f"Token token={integration.key}",
    )

    assert answer.status_code == 413
    assert "1024 KiB" in answer.json()["error"]["message"]


def test_only_post_comes_through(knock: Door):
    answer = knock.request("GET", "/api/events", b"", {})

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "payload",
    [
        {"summary": "NUL \x00 and bell \x07"},
        {"summary": "x" * 900_000},
        {"summary": "  "},
        {"summary": "ok", "custom_details": {"k": "\x00", "\x00": ["\x00"]}},
        {"summary": "ok", "custom_details": {f"label{i}": i for i in range(10_000)}},
        {"summary": "ok", "custom_details": [[[[[[]]]]]]},
        {"summary": "ok", "timestamp": "9999-12-31T23:59:59+14:00"},
        {"summary": "ok", "timestamp": "2036-01-01T00:00:00Z"},
        {"summary": "ok", "timestamp": "yesterday"},
        {"summary": "ok", "custom_details": {"big": 10**30, "exp": 1e308}},
        {"summary": "\ud800 lone surrogate"},
    ],
    ids=lambda p: str(p)[:40],
)
def test_strange_values_get_an_answer_and_leave_nothing_half_written(
    knock: Door, integration: Integration, payload: dict[str, Any]
):
    answer = knock.event(integration, event_action="trigger", payload=payload)

    assert answer.status_code in (202, 400)
    stored = 1 if answer.status_code == 202 else 0
    assert Alert.objects.count() == Incident.objects.count() == stored
    assert TimelineEntry.objects.count() == stored


def test_deep_nesting_is_answered(knock: Door, integration: Integration):
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    content = b'{"event_action":"trigger","payload":{"summary":"x","custom_details":' + deep + b"}}"

    answer = knock.post(
        "/api/events", content=content, authorization=f"Token token={integration.key}"
    )

    assert answer.status_code in (202, 400)


def test_a_long_key_keeps_its_identity(knock: Door, integration: Integration):
    body = TRIGGER | {"dedup_key": "k" * 3000}

    knock.event(integration, **body)
    knock.event(integration, **body)
    knock.event(integration, **(body | {"dedup_key": "k" * 3001}))

    assert Incident.objects.count() == 2
    assert len(Incident.objects.first().dedup_key) <= 512  # type: ignore[union-attr, arg-type]


def test_more_alerts_than_a_group_can_have_are_refused(knock: Door):
    owner = make_integration("prometheus")

    answer = knock.post(f"/api/integrations/prometheus/{owner.key}", {"alerts": [{}] * 5001})

    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == ["alerts"]
    assert Alert.objects.count() == 0


@pytest.mark.parametrize("zone", ["+23:59", "-23:59"])
def test_strange_clock_loses_no_alert(knock: Door, integration: Integration, zone: str):
    # PostgreSQL knows no zone so far from Greenwich.
    payload = TRIGGER["payload"] | {"timestamp": f"2026-11-23T10:00:00{zone}"}  # type: ignore[operator]

    answer = knock.event(integration, **TRIGGER | {"payload": payload})

    assert answer.status_code == 202
