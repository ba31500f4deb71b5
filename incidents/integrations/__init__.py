"""One module per vendor: `parse(headers, query, body) -> list[Event]`, pure."""

from collections.abc import Callable, Mapping
from typing import Final

from incidents.intake.events import ChangeEvent, Event
from incidents.integrations import (
    appdynamics,
    azure,
    better_uptime,
    bitbucket,
    cloudwatch,
    datadog,
    dynatrace,
    elastic,
    email_message,
    events_api,
    github,
    gitlab,
    google_cloud_monitoring,
    grafana,
    heartbeat,
    honeycomb,
    icinga,
    nagios,
    newrelic,
    opsgenie,
    pagerduty,
    pagerduty_changes,
    pingdom,
    prometheus,
    sentry,
    splunk_observability,
    splunk_oncall,
    uptime_kuma,
    uptimerobot,
    vercel,
    webhook,
    zabbix,
)

Parse = Callable[[Mapping[str, str], Mapping[str, str], bytes], list[Event]]
ParseChange = Callable[[Mapping[str, str], Mapping[str, str], bytes], ChangeEvent]

# By Integration.Kind. Header names are lower case; the query has the last value of each name.
PARSERS: Final[dict[str, Parse]] = {
    "events": events_api.parse,
    "pagerduty": pagerduty.parse,
    "prometheus": prometheus.parse,
    "webhook": webhook.parse,
    "appdynamics": appdynamics.parse,
    "azure": azure.parse,
    "better-uptime": better_uptime.parse,
    "bitbucket": bitbucket.parse,
    "cloudwatch": cloudwatch.parse,
    "datadog": datadog.parse,
    "dynatrace": dynatrace.parse,
    "elastic": elastic.parse,
    "github": github.parse,
    "gitlab": gitlab.parse,
    "google-cloud-monitoring": google_cloud_monitoring.parse,
    "grafana": grafana.parse,
    "honeycomb": honeycomb.parse,
    "icinga": icinga.parse,
    "nagios": nagios.parse,
    "newrelic": newrelic.parse,
    "opsgenie": opsgenie.parse,
    "pingdom": pingdom.parse,
    "sentry": sentry.parse,
    "splunk-observability": splunk_observability.parse,
    "splunk-oncall": splunk_oncall.parse,
    "uptime-kuma": uptime_kuma.parse,
    "uptimerobot": uptimerobot.parse,
    "vercel": vercel.parse,
    "zabbix": zabbix.parse,
    "email": email_message.parse,
    "heartbeat": heartbeat.parse,
}

# Formats of messages that open nothing; they come with the keys of other kinds.
CHANGE_PARSERS: Final[dict[str, ParseChange]] = {
    "pagerduty-change": pagerduty_changes.parse_change,
}
