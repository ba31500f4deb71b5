"""What is stored of a delivery holds no secret, and can still be read."""

import json

import pytest
from django.utils import timezone

from incidents.intake.masking import MASK, mask_body, mask_headers, mask_query
from incidents.integrations import PARSERS
from incidents.models import Delivery, Integration
from tests.incidents.doors import Door, integration, knock

__all__ = ["integration", "knock"]

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "x-integration-key",
        "x-routing-key",
        "x-gitlab-token",
        "x-honeycomb-webhook-token",
        "x-amz-security-token",
        "X-Our-PASSWORD",
        "x-client-secret",
        "x-" + "a" * 200,  # no honest name is so long
    ],
)
def test_secret_header_is_masked(name: str) -> None:
    assert mask_headers({name: "hunter2"}) == {name: MASK}


@pytest.mark.parametrize(
    "name",
    ["content-type", "user-agent", "x-github-event", "x-hub-signature-256", "webhook-signature"],
)
def test_other_header_stays(name: str) -> None:
    assert mask_headers({name: "text"}, KEY) == {name: "text"}


@pytest.mark.parametrize(
    "name", ["key", "integrationKey", "integration_key", "auth_token", "sig", "api_key", "apiKey"]
)
def test_secret_in_the_query_is_masked(name: str) -> None:
    assert mask_query({name: KEY, "page": "2"}) == {name: MASK, "page": "2"}


def test_key_is_masked_wherever_it_stands() -> None:
    address = f"https://example.org/api/integrations/webhook/{KEY}"

    assert mask_headers({"referer": address}, KEY)["referer"].endswith(f"/{MASK}")
    assert mask_query({"from": address}, KEY)["from"].endswith(f"/{MASK}")
    assert KEY.encode() not in mask_body("webhook", address.encode(), KEY)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("pagerduty", "routing_key"),
        ("events", "routing_key"),
        ("honeycomb", "shared_secret"),
        ("opsgenie", "apiKey"),
        ("cloudwatch", "UnsubscribeURL"),
        ("cloudwatch", "SubscribeURL"),
        ("cloudwatch", "Token"),
    ],
)
@pytest.mark.parametrize("space", ["", " ", "\n\t "])
@pytest.mark.parametrize("value", ["hunter2", 'a"b\\', "schlüssel", ""])
def test_secret_field_of_a_body_is_masked(kind: str, field: str, space: str, value: str) -> None:
    body = f'{{"a":"{field}","{field}"{space}:{space}{json.dumps(value)},"z":1}}'.encode()

    masked = json.loads(mask_body(kind, body))

    assert masked == {"a": field, field: MASK, "z": 1}


def test_every_secret_field_is_masked() -> None:
    body = b'[{"routing_key":"one"},{"routing_key":"two","routing_key":3}]'

    masked = mask_body("pagerduty", body).decode()

    assert masked == f'[{{"routing_key":"{MASK}"}},{{"routing_key":"{MASK}","routing_key":3}}]'


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b'{"routing_key":"', b'"routing_key"', b"{"])
def test_broken_body_stays_as_it_is(body: bytes) -> None:
    assert mask_body("pagerduty", body, KEY) == body


def test_a_hostile_body_is_masked_in_no_time() -> None:
    body = b'"routing_key":"\\' * 60_000

    started = timezone.now()
    mask_body("pagerduty", body)

    assert (timezone.now() - started).total_seconds() < 2


def test_masked_body_means_the_same() -> None:
    body = json.dumps(
        {
            "routing_key": KEY,
            "event_action": "trigger",
            "dedup_key": "disk",
            "payload": {"summary": "Disk full", "source": "db-1", "severity": "critical"},
        }
    ).encode()
    parse = PARSERS["pagerduty"]

    assert parse({}, {}, mask_body("pagerduty", body, KEY)) == parse({}, {}, body)


def test_stored_delivery_has_no_key(knock: Door, integration: Integration) -> None:
    body = (
        b'{"routing_key": "%s", "event_action": "trigger", "dedup_key": "k",'
        b' "payload": {"summary": "Down", "source": "db-1", "severity": "critical"}}'
    ) % integration.key.encode()

    knock.post("/v2/enqueue", content=body, x_routing_key=integration.key)

    delivery = Delivery.objects.get()
    stored = f"{delivery.headers} {delivery.query} {bytes(delivery.body)!r}"
    assert integration.key not in stored
    assert "Down" in stored
