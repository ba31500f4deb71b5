"""Every kind of integration: it has a parser, a way to be set up, and a test alert."""

from typing import Any

import pytest

from incidents.integrations import PARSERS
from incidents.models import Incident, Integration
from incidents.services.sample_alert import send_test_alert
from incidents.snippets import snippets_of
from tests.factories import ServiceFactory, UserFactory
from tests.incidents.doors import Door, knock

__all__ = ["knock"]


def test_every_kind_has_a_parser_and_no_parser_is_without_kind():
    assert set(PARSERS) == set(Integration.Kind.values)


@pytest.mark.parametrize("kind", Integration.Kind.values)
def test_a_test_alert_of_every_kind_opens_an_incident(knock: Door, kind: str):
    integration = Integration.objects.create(service=ServiceFactory(), name="Mine", kind=kind)

    outcome = send_test_alert(integration=integration, actor=UserFactory())

    assert outcome.result == "triggered"
    assert Incident.objects.get().title.startswith("Test alert for")
    assert snippets_of(integration, "https://opsknight.example")


@pytest.mark.parametrize("kind", sorted(set(PARSERS) - {"events", "pagerduty"}))
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b"\xff", b"{}", b'{"a": ' * 300 + b"1" + b"}" * 300]
)
def test_nonsense_of_every_kind_is_answered(knock: Door, kind: str, body: bytes):
    integration = Integration.objects.create(service=ServiceFactory(), name="Mine", kind=kind)

    answer: Any = knock.post(f"/api/integrations/{kind}/{integration.key}", content=body)

    assert answer.status_code in (200, 202, 400)
    assert Incident.objects.count() == (1 if answer.status_code == 202 else 0)
