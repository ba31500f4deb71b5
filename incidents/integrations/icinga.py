"""Icinga 2, a NotificationCommand that posts its macros as JSON.

https://icinga.com/docs/icinga-2/latest/doc/03-monitoring-basics/#notifications
https://icinga.com/docs/icinga-2/latest/doc/08-advanced-topics/#use-functions-as-custom-variables

`macro()` is refused inside a dictionary literal, so the fields are assigned one by one:

    object NotificationCommand "opsknight" {
      command = [ "curl", "--silent", "--show-error", "--fail", "--max-time", "10",
                  "--header", "Content-Type: application/json",
                  "--data", "$opsknight_body$", "$opsknight_url$" ]
      vars.opsknight_body = {{
        var body = {}
        body.notification_type = macro("$notification.type$")
        body.host_name = macro("$host.name$")
        body.host_state = macro("$host.state$")
        body.host_output = macro("$host.output$")
        body.service_name = macro("$service.name$")
        body.service_state = macro("$service.state$")
        body.service_output = macro("$service.output$")
        body.timet = macro("$icinga.timet$")
        return Json.encode(body)
      }}
    }

A service keeps its own key while its host is down, and its own state decides.
"""

from collections.abc import Mapping

from incidents.intake.events import Event
from incidents.integrations.nagios import parse_check
from incidents.integrations.reading import decode_form_or_json


def parse(headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[Event]:
    """One event; raises InvalidPayload without a host, Unsupported for downtime and such."""
    return [parse_check(decode_form_or_json(headers, body), "icinga")]
