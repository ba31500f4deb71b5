"""Every kind of integration: it has a parser, a way to be set up, and a test alert."""

from typing import Any

import pytest
from django.utils import timezone

from incidents.intake.reception import Reception
from incidents.integrations import PARSERS
from incidents.models import Delivery, Incident, Integration
from incidents.samples import Values, fill, new_run, sample_of
from incidents.services.deliveries import replay_delivery, send_message, send_test_alert
from tests.factories import ServiceFactory, UserFactory
from tests.incidents.doors import Door, knock

__all__ = ["knock"]


def test_every_kind_has_a_parser_and_no_parser_is_without_kind():
    assert set(PARSERS) == set(Integration.Kind.values)


@pytest.mark.parametrize("kind", Integration.Kind.values)
def test_a_test_alert_of_every_kind_opens_an_incident(knock: Door, kind: str):
    integration = Integration.objects.create(service=ServiceFactory(), name="Mine", kind=kind)

    reception = send_test_alert(integration=integration, actor=UserFactory())

    assert [outcome.result for outcome in reception.outcomes] == ["triggered"]
    assert "test" in Incident.objects.get().title.lower()


@pytest.mark.parametrize("kind", sorted(PARSERS))
def test_firing_then_resolved_of_every_kind_closes_what_it_opened(knock: Door, kind: str):
    integration = Integration.objects.create(service=ServiceFactory(), name="Mine", kind=kind)
    run = new_run()

    firing, resolved = (
        send_sample(integration, name, run).outcomes[0] for name in ("firing", "resolved")
    )

    assert (firing.result, resolved.result) == ("triggered", "resolved")
    assert Incident.objects.get().status == "resolved"
    assert Delivery.objects.filter(verdict="accepted", via="simulator").count() == 2


@pytest.mark.parametrize("kind", sorted(PARSERS))
def test_replay_of_every_kind_is_understood_as_the_first_time(knock: Door, kind: str):
    """Although secrets are masked in what is stored."""
    integration = Integration.objects.create(service=ServiceFactory(), name="Mine", kind=kind)
    first = send_sample(integration, "firing", new_run())

    again = replay_delivery(delivery=Delivery.objects.get(), actor=UserFactory())

    assert [o.result for o in again.outcomes] == ["deduplicated"]
    assert again.outcomes[0].dedup_key == first.outcomes[0].dedup_key
    for stored in Delivery.objects.all():
        assert integration.key not in f"{stored.headers}{stored.query}{bytes(stored.body)!r}"


def send_sample(integration: Integration, name: str, run: str) -> Reception:
    values = Values(run=run, now=timezone.now(), summary="Test", key=integration.key)
    message = fill(sample_of(integration.kind, name), values)
    return send_message(integration=integration, message=message, actor=UserFactory()).reception


@pytest.mark.parametrize("kind", sorted(set(PARSERS) - {"events", "pagerduty"}))
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b"\xff", b"{}", b'{"a": ' * 300 + b"1" + b"}" * 300]
)
def test_nonsense_of_every_kind_is_answered(knock: Door, kind: str, body: bytes):
    integration = Integration.objects.create(service=ServiceFactory(), name="Mine", kind=kind)

    answer: Any = knock.post(f"/api/integrations/{kind}/{integration.key}", content=body)

    assert answer.status_code in (200, 202, 400, 422)  # 422: as Opsgenie's clients expect it
    assert Incident.objects.count() == (1 if answer.status_code == 202 else 0)
