"""Zabbix, a media type of type Webhook whose script posts its parameters as JSON.

https://www.zabbix.com/documentation/current/en/manual/config/notifications/media/webhook
https://www.zabbix.com/documentation/current/en/manual/appendix/macros/supported_by_location

Zabbix's own media types for PagerDuty, Opsgenie and VictorOps speak those vendors' formats and
work against our addresses of those names. The script to paste, with its parameters::

    var fields = JSON.parse(value), request = new HttpRequest(), url = fields.url;
    delete fields.url;
    request.addHeader('Content-Type: application/json');
    request.post(url, JSON.stringify(fields));
    if (request.getStatus() >= 300) { throw 'OpsKnight answered ' + request.getStatus(); }
    return 'OK';

    url                  the integration's address    title       {ALERT.SUBJECT}
    event_id             {EVENT.ID}                   description {ALERT.MESSAGE}
    event_name           {EVENT.NAME}                 host_name   {HOST.NAME}
    event_value          {EVENT.VALUE}                trigger_id  {TRIGGER.ID}
    event_nseverity      {EVENT.NSEVERITY}            event_source {EVENT.SOURCE}
    event_update_status  {EVENT.UPDATE.STATUS}        zabbix_url  {$ZABBIX.URL}
    event_update_action  {EVENT.UPDATE.ACTION}

Field names are read whatever their spelling: `event_id`, `eventId`, `EVENT_ID`.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from incidents.intake.events import (
    MAX_SOURCE,
    MAX_SUMMARY,
    Action,
    Event,
    Severity,
    Unsupported,
    lines,
    one_line,
)
from incidents.integrations.reading import (
    decode_form_or_json,
    epoch_time,
    key_of,
    links_to,
    plain_names,
    text,
    unclear,
)

UNEXPANDED: Final = re.compile(r"\{[$#]?[A-Za-z0-9_.:]+\}|\*UNKNOWN\*")
SUBJECT: Final = re.compile(r"(?:problem|resolved|updated problem)(?: in [^:]*)?: *", re.IGNORECASE)
ACTIONS: Final[dict[str, Action]] = {
    **{"problem": "trigger", "1": "trigger", "trigger": "trigger"},
    **{"resolved": "resolve", "ok": "resolve", "0": "resolve", "recovered": "resolve"},
    **{"recovery": "resolve", "resolve": "resolve"},
    **{"ack": "acknowledge", "acknowledge": "acknowledge", "acknowledged": "acknowledge"},
}
SEVERITIES: Final[dict[str, Severity]] = {
    **{"5": "critical", "disaster": "critical", "critical": "critical"},
    **{"4": "error", "high": "error", "error": "error"},
    **{"3": "warning", "average": "warning", "2": "warning", "warning": "warning"},
    **{"1": "info", "information": "info", "0": "info", "not classified": "info"},
}
DISCOVERIES: Final = frozenset({"1", "2"})  # of {EVENT.SOURCE}: discovery, autoregistration


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload without a problem or a value, Unsupported for remarks."""
    data = decode_form_or_json(headers, body)
    macros = plain_names(data, UNEXPANDED)
    if text(macros, "eventsource") in DISCOVERIES:
        raise Unsupported("A discovery or autoregistration is no alert.")
    action = _action(macros)
    title = text(macros, "eventname", "title", "subject", "triggername", "summary")
    name = _without_subject(title)
    host = text(macros, "hostname", "host", "hostip")
    summary = f"{host}: {name}" if host and name else name or f"Problem on {host or 'Zabbix'}"
    return [
        Event(
            action=action,
            dedup_key=_key(macros, host, name),
            summary=one_line(summary, MAX_SUMMARY),
            source=one_line(host or name, MAX_SOURCE),
            severity="info" if action == "resolve" else _severity(macros),
            description=lines(text(macros, "description", "message", "eventopdata")),
            details=data,
            links=_links(macros),
            occurred_at=epoch_time(text(macros, "eventtimestamp", "timestamp")),
        )
    ]


def _action(macros: dict[str, Any]) -> Action:
    """What was done; an update that is no acknowledgement changes nothing here."""
    done = text(macros, "action").lower()
    if done == "update" or text(macros, "eventupdatestatus") == "1":
        actions = text(macros, "eventupdateaction", "updateaction")[:200].lower()
        acknowledged = "acknowledged" in re.split(r"[,;]\s*|\s+and\s+", actions)
        if acknowledged or (not actions and text(macros, "eventackstatus").lower() == "yes"):
            return "acknowledge"
        raise Unsupported("An update that is no acknowledgement pages nobody.")
    words = [done, *(text(macros, n).lower() for n in ("eventvalue", "eventstatus"))]
    for word in [*words, text(macros, "triggerstatus", "status").lower()]:
        if word in ACTIONS:
            return ACTIONS[word]
    raise unclear("event_value", "Send {EVENT.VALUE}: 1 for a problem, 0 when it is resolved.")


def _without_subject(title: str) -> str:
    """The problem's name without "Problem: " or "Resolved in 5m: " of the default subjects."""
    match = SUBJECT.match(title)
    return (title[match.end() :] if match else "") or title


def _key(macros: dict[str, Any], host: str, name: str) -> str:
    """The problem's event, which its recovery names too; else the trigger; else the words."""
    event, trigger = text(macros, "eventid"), text(macros, "triggerid")
    if event:
        return key_of("zabbix", event)
    if trigger:
        return key_of("zabbix", "trigger", trigger)
    if not name:
        raise unclear("event_id", "Send {EVENT.ID}.")
    return key_of("zabbix", "problem", host, name)


def _severity(macros: dict[str, Any]) -> Severity:
    word = text(macros, "eventnseverity", "eventseverity", "triggerseverity", "severity")
    return SEVERITIES.get(word.lower(), "warning")


def _links(macros: dict[str, Any]) -> list[dict[str, str]]:
    history = ""
    base, event = text(macros, "zabbixurl").rstrip("/"), text(macros, "eventid")
    trigger = text(macros, "triggerid")
    if event.isdigit() and trigger.isdigit():
        history = f"{base}/tr_events.php?triggerid={trigger}&eventid={event}"
    return links_to((history, "Zabbix"), (text(macros, "triggerurl", "eventurl"), "Trigger"))
