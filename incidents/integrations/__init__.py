"""One module per vendor: `parse(headers, query, body) -> list[Event]`, pure."""

from collections.abc import Callable, Mapping
from typing import Final

from incidents.intake.events import Event
from incidents.integrations import events_api, pagerduty, prometheus, webhook

Parse = Callable[[Mapping[str, str], Mapping[str, str], bytes], list[Event]]

# By Integration.Kind. Header names are lower case; the query has the last value of each name.
PARSERS: Final[dict[str, Parse]] = {
    "events": events_api.parse,
    "pagerduty": pagerduty.parse,
    "prometheus": prometheus.parse,
    "webhook": webhook.parse,
}
