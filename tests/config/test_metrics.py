"""The figures for Prometheus."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from escalations.models import EngineAudit
from escalations.services import engine
from notifications.breakers import Guard, report
from notifications.workers import tell_presence
from opsknight.prompt_redis import prompt_redis
from tests.factories import IncidentFactory, NotificationFactory

pytestmark = pytest.mark.django_db
TOKEN = {"HTTP_AUTHORIZATION": "Bearer s3cret"}


@pytest.fixture(autouse=True)
def token(settings: Settings) -> None:
    """The operator has set one."""
    settings.METRICS_TOKEN = "s3cret"


def figures(client: Client) -> dict[tuple[str, str], float]:
    """Every value by its name and label."""
    text = client.get("/metrics", **TOKEN).content.decode()  # type: ignore[arg-type]
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_address_does_not_exist_without_the_setting(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer ").status_code == 404


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic s3cret", "Bearer ünï"])
def test_wrong_token_is_refused(client: Client, header: str) -> None:
    assert client.get("/metrics", HTTP_AUTHORIZATION=header).status_code == 401


def test_fresh_installation_has_figures(client: Client) -> None:
    found = figures(client)

    assert found["opsknight_engine_due_incidents", ""] == 0
    assert found["opsknight_outbox_due_pages", "email"] == 0
    assert ("opsknight_engine_pass_age_seconds", "") not in found


def test_due_and_late_work_is_counted(client: Client) -> None:
    now = timezone.now()
    IncidentFactory(escalate_at=now - timedelta(minutes=5))
    IncidentFactory(escalate_at=now + timedelta(minutes=5))
    NotificationFactory(due_at=now - timedelta(minutes=3))
    NotificationFactory(due_at=now + timedelta(minutes=3))
    EngineAudit.objects.create(at=now, overdue=1, repaired=2, repaired_total=7)
    engine.record_pass(steps=3)
    engine.record_pass(steps=4)

    found = figures(client)

    assert found["opsknight_engine_due_incidents", ""] == 1
    assert 300 <= found["opsknight_engine_oldest_due_seconds", ""] < 400
    assert found["opsknight_engine_steps_total", ""] == 7
    assert found["opsknight_engine_repairs_total", ""] == 7
    assert found["opsknight_outbox_due_pages", "email"] == 1
    assert found["opsknight_outbox_later_pages", "email"] == 1
    assert 180 <= found["opsknight_outbox_oldest_due_seconds", "email"] < 280
    assert found["opsknight_open_incidents", "triggered"] == 4


def test_figures_cost_four_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(4):
        figures(client)


def test_open_breakers_and_waiting_pages_are_figures(client: Client, settings: Settings) -> None:
    settings.BREAKER_FAILURES = 1
    prompt_redis().flushdb()
    report(Guard("7", "Twilio", "sms"), error="Answered 503.")
    NotificationFactory(waits_for="limit")

    found = figures(client)

    prompt_redis().flushdb()
    assert found["opsknight_breaker_open", "smsTwilio"] == 1
    assert found["opsknight_outbox_waiting_pages", "emaillimit"] == 1


def test_queues_without_a_worker_are_figures(client: Client, settings: Settings) -> None:
    settings.REDIS_PREFIX = "test-of-metrics:"
    tell_presence(["email"])

    found = figures(client)

    assert found["opsknight_queue_served", "email"] == 1
    assert found["opsknight_queue_served", "sms"] == 0
