"""Nagios Core, notification commands that send their macros as JSON or as a form.

https://assets.nagios.com/downloads/nagioscore/docs/nagioscore/4/en/macrolist.html
https://assets.nagios.com/downloads/nagioscore/docs/nagioscore/4/en/notifications.html

Fields are macros under any spelling: `HOSTNAME`, `host_name`, `hostName`, `NAGIOS_HOSTNAME`.

    {"notification_type": "$NOTIFICATIONTYPE$", "host_name": "$HOSTNAME$",
     "host_state": "$HOSTSTATE$", "host_output": "$HOSTOUTPUT$",
     "service_desc": "$SERVICEDESC$", "service_state": "$SERVICESTATE$",
     "service_output": "$SERVICEOUTPUT$", "timet": "$TIMET$"}
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

UNEXPANDED: Final = re.compile(r"\$[A-Za-z0-9_.:]+\$")
TYPES: Final[dict[str, Action]] = {
    "problem": "trigger",
    "recovery": "resolve",
    "acknowledgement": "acknowledge",
}
# DOWNTIMESTART, DOWNTIMEEND, DOWNTIMECANCELLED, FLAPPINGSTART, …: families, told by their start.
NO_ALERTS: Final = ("downtime", "flapping", "custom")
BAD_STATES: Final[dict[str, Severity]] = {
    **{"critical": "critical", "down": "critical", "warning": "warning"},
    **{"unknown": "error", "unreachable": "error"},
}
GOOD_STATES: Final = frozenset({"ok", "up"})


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload without a host, Unsupported for downtime and such."""
    return [parse_check(decode_form_or_json(headers, body), "nagios")]


def parse_check(data: dict[str, Any], kind: str) -> Event:
    """The event of one host or one service, keyed on both when it is about a service."""
    plain = plain_names(data, UNEXPANDED)
    macros = {name.removeprefix("nagios").removeprefix("icinga"): plain[name] for name in plain}
    host = text(macros, "hostname", "host", "hostalias", "hostdisplayname")
    if not host:
        raise unclear("host_name", "Name the host in host_name.")
    service = text(macros, "servicedesc", "servicedescription", "servicename", "service")
    about = "service" if service else "host"
    state = text(macros, f"{about}state", "state")
    action = _action(macros, state)
    output = text(macros, f"{about}output", "output")
    subject = f"{service} on {host}" if service else host
    summary = f"{subject} is {state}" if state else subject
    return Event(
        action=action,
        dedup_key=key_of(kind, host, service) if service else key_of(kind, host),
        summary=one_line(f"{summary}: {output}" if output else summary, MAX_SUMMARY),
        source=one_line(host, MAX_SOURCE),
        severity="info" if action == "resolve" else BAD_STATES.get(state.lower(), "critical"),
        description=lines(text(macros, f"long{about}output") or output),
        details=data,
        links=_links(macros, about),
        occurred_at=epoch_time(text(macros, "timet", "timestamp")),
    )


def _action(macros: dict[str, Any], state: str) -> Action:
    """The type of notification, and the state where that leaves it open."""
    state = state.lower()
    type_ = text(macros, "notificationtype", "type").lower()
    if type_.startswith(NO_ALERTS):
        raise Unsupported(f"A notification of type {type_[:40]} pages nobody.")
    if type_ in ("recovery", "acknowledgement"):
        return TYPES[type_]
    if state in GOOD_STATES:
        return "resolve"
    if type_ in TYPES or state in BAD_STATES:
        return "trigger"
    raise unclear("notification_type", "Send notification_type: PROBLEM, RECOVERY, ….")


def _links(macros: dict[str, Any], about: str) -> list[dict[str, str]]:
    return links_to(
        (text(macros, f"{about}notesurl", "notesurl"), "Notes"),
        (text(macros, f"{about}actionurl", "actionurl"), "Action"),
    )
