"""Secrets in addresses do not reach the log."""

import io
import logging
from collections.abc import Iterator

import pytest
from django.test import Client

from opsknight.logs import HideSecrets
from opsknight.services.accounts import create_setup_link


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the handler of the settings writes."""
    (console,) = (
        handler
        for handler in logging.getLogger().handlers
        if any(isinstance(f, HideSecrets) for f in handler.filters)
    )
    assert isinstance(console, logging.StreamHandler)
    written = io.StringIO()
    before = console.setStream(written)
    yield written
    console.setStream(before)


@pytest.mark.django_db
def test_refused_form_of_a_one_time_link_does_not_log_the_link(
    client: Client, log: io.StringIO
) -> None:
    token = create_setup_link()

    response = client.post(f"/setup/{token}/", {"password": "weak"})

    assert response.status_code == 400
    assert "/setup/•••/" in log.getvalue()
    assert token not in log.getvalue()


def test_key_in_an_address_of_the_door_is_not_logged(log: io.StringIO) -> None:
    path = "/api/integrations/prometheus/0123456789abcdef\nINFO forged"

    logging.getLogger("incidents.intake.door").error("The door failed on %r.", path)

    assert "/api/integrations/prometheus/•••" in log.getvalue()
    assert "0123456789abcdef" not in log.getvalue()
    assert len(log.getvalue().splitlines()) == 1


def test_key_of_a_heartbeat_is_not_logged(log: io.StringIO) -> None:
    path = "/api/heartbeats/0123456789abcdef/fail"

    logging.getLogger("incidents.intake.door").error("The door failed on %r.", path)

    assert "/api/heartbeats/•••/fail" in log.getvalue()
    assert "0123456789abcdef" not in log.getvalue()


@pytest.mark.parametrize(
    "path",
    ["/api/providers/push/", "/api/providers/twilio/calls/", "/settings/slack/link/"],
    ids=["push", "call", "slack"],
)
def test_a_signed_address_is_not_logged(client: Client, log: io.StringIO, path: str) -> None:
    client.put(f"{path}5ecret.t0ken/")
    logging.getLogger("django.request").warning("Not Found: %s", f"{path}5ecret.t0ken/")

    assert f"{path}•••/" in log.getvalue()
    assert "5ecret" not in log.getvalue()
