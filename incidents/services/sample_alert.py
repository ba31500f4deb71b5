"""A test alert that walks the whole way: parser, commit, escalation, page, live pages."""

import json
from typing import Any

from django.utils import timezone

from incidents.intake.committer import shared_committer
from incidents.intake.events import Event
from incidents.integrations import PARSERS
from incidents.models import Integration
from incidents.services.intake import Outcome, Received
from opsknight.errors import Conflict
from opsknight.models import User

SECONDS = 10  # how long the person at the button waits at most


def send_test_alert(*, integration: Integration, actor: User) -> Outcome:
    """Send what the integration's vendor would send; it opens an incident and pages people.

    Raises Conflict when the integration is disabled, Unavailable when nothing was stored.
    """
    if not integration.enabled:
        raise Conflict("This integration is disabled. Enable it, then send the test alert.")
    key = f"opsknight-test-{timezone.now():%Y%m%d%H%M%S%f}"
    received = [
        Received(event, integration.service_id, integration.pk, integration.name)
        for event in sample_events(integration, key, actor)
    ]
    outcome = shared_committer().submit(received).result(SECONDS)[0]
    if outcome.error is not None:
        raise outcome.error
    return outcome


def sample_events(integration: Integration, key: str, actor: User) -> list[Event]:
    """What the integration's parser makes of a genuine-looking body of its kind.

    Vendors whose samples are still to be written get the event itself.
    """
    summary = f"Test alert for {integration.service.name}, sent by {actor}"
    body = sample_body(integration, key, summary)
    if body is None:
        return [Event(action="trigger", dedup_key=key, summary=summary, source="OpsKnight")]
    return PARSERS[integration.kind]({}, {}, json.dumps(body).encode())


def sample_body(integration: Integration, key: str, summary: str) -> dict[str, Any] | None:
    """A body as the integration's vendor sends it; None where there is none yet."""
    match integration.kind:
        case Integration.Kind.PROMETHEUS:
            return alertmanager_body(summary, key)
        case Integration.Kind.WEBHOOK:
            return {"title": summary, "severity": "critical", "id": key, "source": "OpsKnight"}
        case Integration.Kind.EVENTS | Integration.Kind.PAGERDUTY:
            payload = {"summary": summary, "source": "OpsKnight", "severity": "critical"}
            return {
                "routing_key": integration.key,
                "event_action": "trigger",
                "dedup_key": key,
                "payload": payload,
            }
        case _:
            return None


def alertmanager_body(summary: str, fingerprint: str) -> dict[str, Any]:
    """A group with one firing alert, as Alertmanager 0.25 and later send it."""
    labels = {"alertname": "TestAlert", "severity": "critical", "instance": "opsknight"}
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": summary},
        "startsAt": timezone.now().isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": fingerprint,
    }
    return {"version": "4", "status": "firing", "receiver": "opsknight", "alerts": [alert]}
