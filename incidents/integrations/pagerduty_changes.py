"""PagerDuty change events: a deploy, a merge, a switched flag. They page nobody.

https://developer.pagerduty.com/docs/send-change-events
https://developer.pagerduty.com/api-reference/95db350959c37-send-change-events-to-the-pager-duty-events-api
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from incidents.intake.decoding import decode
from incidents.intake.events import MAX_SOURCE, MAX_SUMMARY, ChangeEvent, one_line, parse_time
from incidents.integrations.events_api import as_details
from incidents.integrations.pagerduty import Image, PagerDutyLink, blank, links_of


class Payload(msgspec.Struct):
    summary: str | None = None
    source: str | None = None
    timestamp: Any = None
    custom_details: Any = None


class Body(msgspec.Struct):
    payload: Payload | None = None
    links: list[PagerDutyLink] | None = None
    images: list[Image] | None = None


_decoder = msgspec.json.Decoder(Body)


def parse_change(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> ChangeEvent:
    """The change; raises InvalidPayload."""
    message = decode(body, _decoder)
    payload = message.payload or Payload()
    summary = one_line(payload.summary, MAX_SUMMARY)
    if not summary:
        raise blank("payload.summary")
    return ChangeEvent(
        summary=summary,
        source=one_line(payload.source, MAX_SOURCE),
        details=as_details(payload.custom_details),
        links=links_of(message.links, message.images),
        occurred_at=parse_time(payload.timestamp),
    )
