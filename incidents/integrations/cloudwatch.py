"""Amazon CloudWatch alarms: through SNS, as the bare alarm, or as an EventBridge event.

https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html

CloudWatch has no severity. A description that begins with one ("WARNING: …", "[info] …") or
names one ("severity=warning") sets it; other words of a description mean nothing, because
"free space too low" is no reason to page anybody less.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Event,
    InvalidPayload,
    Severity,
    Unsupported,
    fit_dedup_key,
    lines,
    one_line,
    parse_time,
    severity_of,
)
from incidents.integrations.events_api import Link, clean_links
from incidents.integrations.reading import child, children, decode_object, text, unclear

# What SNS sends when somebody subscribes an address to a topic, or removes it.
CONFIRMATIONS = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})

_LEADING_SEVERITY = re.compile(r"\s*[\[(]?\s*([A-Za-z0-9]+)\s*(?:[\])]|:|\s-\s)")
_NAMED_SEVERITY = re.compile(r"\bseverity\s*[:=]\s*([A-Za-z0-9]+)", re.IGNORECASE)


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload, or Unsupported for SNS's own messages."""
    data = decode_object(body)
    kind = text(data, "Type") or headers.get("x-amz-sns-message-type", "")
    if kind in CONFIRMATIONS:
        raise Unsupported("A subscription's confirmation is no alarm; nothing was opened.")
    return [_event(_alarm(data))]


def _alarm(data: dict[str, Any]) -> dict[str, Any]:
    """The alarm in the fields of an SNS message, however it was wrapped."""
    message = data.get("Message")
    # Of a notification only the message is signed: what else stands beside it is nobody's word.
    is_signed = text(data, "Type") == "Notification"
    if isinstance(message, str) and (is_signed or "AlarmName" not in data):
        try:
            data = decode_object(message.encode("utf-8", "replace"))
        except InvalidPayload as error:
            raise unclear("Message", "The SNS message is no CloudWatch alarm.") from error
    elif isinstance(message, dict) and "AlarmName" not in data:
        data = message
    detail = child(data, "detail")
    if not text(detail, "alarmName"):
        return data
    resources = data.get("resources")
    return {
        **data,
        "AlarmName": detail["alarmName"],
        "AlarmDescription": child(detail, "configuration").get("description"),
        "AWSAccountId": data.get("account"),
        "Region": data.get("region"),
        "NewStateValue": child(detail, "state").get("value"),
        "NewStateReason": child(detail, "state").get("reason"),
        "StateChangeTime": data.get("time"),
        "AlarmArn": resources[0] if isinstance(resources, list) and resources else None,
    }


def _event(alarm: dict[str, Any]) -> Event:
    name = text(alarm, "AlarmName")
    if not name:
        raise unclear("AlarmName", "Send a CloudWatch alarm with its AlarmName.")
    state = text(alarm, "NewStateValue").upper()
    if state == "INSUFFICIENT_DATA":
        raise Unsupported("An alarm without enough data is no alert; nothing was opened.")
    about, reason = text(alarm, "AlarmDescription"), text(alarm, "NewStateReason")
    region = text(alarm, "Region")
    parts = ["cloudwatch", text(alarm, "AWSAccountId"), region, name]
    return Event(
        action="resolve" if state == "OK" else "trigger",
        dedup_key=fit_dedup_key("-".join(part for part in parts if part)),
        summary=one_line(": ".join(p for p in (name, about or reason) if p), MAX_SUMMARY),
        source=one_line(_source(alarm) or name, MAX_SOURCE),
        severity="info" if state == "OK" else _severity(about),
        description=lines("\n\n".join(p for p in (about, reason) if p)),
        details=alarm,
        links=clean_links([Link(href=_console(alarm, name), text="CloudWatch")]),
        occurred_at=parse_time(alarm.get("StateChangeTime")),
    )


def _source(alarm: dict[str, Any]) -> str:
    """What is measured: the values of the metric's dimensions, else its namespace."""
    trigger = child(alarm, "Trigger")
    values = [text(d, "value", "Value") for d in children(trigger, "Dimensions")]
    return ", ".join(v for v in values if v) or text(trigger, "Namespace")


def _severity(description: str) -> Severity:
    start = description[:200]
    found = _LEADING_SEVERITY.match(start) or _NAMED_SEVERITY.search(description[:2000])
    return severity_of(found[1], "critical") if found else "critical"


def _console(alarm: dict[str, Any], name: str) -> str:
    """The alarm's page; the region's code is only in the ARN."""
    arn = text(alarm, "AlarmArn").split(":")
    if len(arn) < 6 or not re.fullmatch(r"[a-z0-9-]{4,30}", arn[3]):
        return ""
    page = f"https://{arn[3]}.console.aws.amazon.com/cloudwatch/home?region={arn[3]}"
    return f"{page}#alarmsV2:alarm/{quote(name[:255].encode('utf-8', 'replace'), safe='')}"
