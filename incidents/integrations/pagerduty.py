"""PagerDuty Events API v2, so that its clients work by changing only the address.

https://developer.pagerduty.com/docs/ZG9jOjExMDI5NTgw-events-api-v2-overview
https://developer.pagerduty.com/api-reference/368ae3d938c9e-send-an-event-to-pager-duty
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from incidents.intake.decoding import decode
from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    InvalidPayload,
    fit_dedup_key,
    one_line,
    parse_time,
    severity_of,
)
from incidents.integrations.events_api import Link, as_details, clean_links


class Payload(msgspec.Struct):
    summary: str | None = None
    source: str | None = None
    severity: str | None = None
    timestamp: Any = None
    component: str | None = None
    group: str | None = None
    class_: str | None = msgspec.field(name="class", default=None)
    custom_details: Any = None


class Image(msgspec.Struct):
    src: str = ""
    href: str | None = None
    alt: str | None = None


class PagerDutyLink(msgspec.Struct):
    href: str = ""
    text: str | None = None


class Body(msgspec.Struct):
    event_action: Action
    routing_key: str | None = None
    dedup_key: str | None = None
    payload: Payload | None = None
    client: str | None = None
    client_url: str | None = None
    links: list[PagerDutyLink] | None = None
    images: list[Image] | None = None


class RoutingKey(msgspec.Struct):
    routing_key: str | None = None


_decoder = msgspec.json.Decoder(Body)
_key_decoder = msgspec.json.Decoder(RoutingKey)


def routing_key(body: bytes) -> str:
    """The key that PagerDuty clients put into the body; "" when there is none."""
    return (decode(body, _key_decoder).routing_key or "").strip()


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload."""
    message = decode(body, _decoder)
    payload = message.payload or Payload()
    key = fit_dedup_key(message.dedup_key or "")
    source = one_line(payload.source, MAX_SOURCE)
    summary = one_line(payload.summary, MAX_SUMMARY)
    if message.event_action == "trigger":
        if not summary:
            raise blank("payload.summary")
        key = key or uuid.uuid4().hex
    elif not key:
        raise blank("dedup_key")
    return [
        Event(
            action=message.event_action,
            dedup_key=key,
            summary=summary,
            source=source,
            severity=severity_of(payload.severity, "error"),
            details=_details(payload, message),
            links=_links(message),
            occurred_at=parse_time(payload.timestamp),
        )
    ]


def _details(payload: Payload, message: Body) -> dict[str, Any]:
    named = {
        "component": payload.component,
        "group": payload.group,
        "class": payload.class_,
        "client": message.client,
    }
    return {k: v for k, v in named.items() if v} | as_details(payload.custom_details)


def _links(message: Body) -> list[dict[str, str]]:
    client = (
        [Link(href=message.client_url, text=message.client or "")] if message.client_url else []
    )
    return links_of(message.links, message.images, *client)


def links_of(
    links: Sequence[PagerDutyLink] | None,
    images: Sequence[Image] | None,
    *first: Link,
) -> list[dict[str, str]]:
    """Links and images as links."""
    found = [*first]
    found += [Link(href=link.href, text=link.text or "") for link in links or []]
    found += [Link(href=image.href or image.src, text=image.alt or "") for image in images or []]
    return clean_links(found)


def blank(name: str) -> InvalidPayload:
    """The refusal of a body without a field that must be there."""
    # PagerDuty's own words, which its clients show to people.
    text = f"'{name}' is missing or blank"
    return InvalidPayload(text, fields={name: [text]})
