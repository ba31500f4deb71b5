"""Azure Monitor: the common alert schema and what came before it."""

import pytest

from incidents.intake.events import Event, InvalidPayload, Unsupported
from incidents.integrations.azure import parse
from tests.incidents.integrations.fuzzing import fuzz, payload

KIND = "azure"


def only(name: str) -> Event:
    [event] = parse({}, {}, payload(KIND, name))
    return event


@pytest.mark.parametrize(
    ("name", "action", "key", "severity", "summary"),
    [
        (
            "common_fired",
            "trigger",
            "azure-/subscriptions/00000000-1111-2222-3333-444444444444/providers/Microsoft.AlertsManagement/alerts/00000000-aaaa-bbbb-cccc-000000000001",
            "error",
            "web-cpu-high on web-1",
        ),
        (
            "classic_activated",
            "trigger",
            "azure-33b56292c08b2315c75e27e6cb641a06",
            "warning",
            "requests on shop-web",
        ),
        (
            "metric_activated",
            "trigger",
            "azure-3c96a715e4d69352e5b7fa0a0066593e",
            "warning",
            "cpu on shop-pool",
        ),
        (
            "service_health_active",
            "trigger",
            "azure-XY1Z-AB2",
            "info",
            "service-health on 00000000-1111-2222-3333-444444444444",
        ),
        (
            "resource_health_unavailable",
            "trigger",
            "azure-health-/subscriptions/00000000-1111-2222-3333-444444444444/resourcegroups/shop/providers/microsoft.compute/virtualmachines/web-1",
            "info",
            "vm-health on web-1",
        ),
        (
            "activity_log",
            "trigger",
            "azure-d6a88675741f842332ff16e725399cdd",
            "error",
            "Microsoft.Compute/virtualMachines/delete on web-1",
        ),
        (
            "log_search",
            "trigger",
            "azure-01fc72294bdf69f44a8268154b0dc8d7",
            "error",
            "errors-in-log",
        ),
    ],
)
def test_payload_is_understood(
    name: str, action: str, key: str, severity: str, summary: str
) -> None:
    event = only(name)

    assert (event.action, event.dedup_key) == (action, key)
    assert (event.severity, event.summary) == (severity, summary)


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        ("common_fired", "common_resolved"),
        ("classic_activated", "classic_resolved"),
        ("metric_activated", "metric_deactivated"),
        ("service_health_active", "service_health_resolved"),
        ("resource_health_unavailable", "resource_health_available"),
    ],
)
def test_recovery_carries_the_key_of_what_it_closes(opens: str, closes: str) -> None:
    first, second = only(opens), only(closes)

    assert (first.action, second.action) == ("trigger", "resolve")
    assert first.dedup_key == second.dedup_key


@pytest.mark.parametrize(
    "name",
    [
        "autoscale",
        "service_health_planned",
    ],
)
def test_what_is_no_alert_opens_nothing(name: str) -> None:
    with pytest.raises(Unsupported):
        parse({}, {}, payload(KIND, name))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "data"),
        (b'{"data": []}', "data"),
        (b'{"data": {"essentials": {"severity": "Sev0"}}}', "data.essentials.alertId"),
        (b'{"context": {"status": "x"}}', "context.id"),
    ],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        parse({}, {}, body)

    assert field in refusal.value.fields


def test_time_series_of_one_rule_are_apart() -> None:
    keys = {only(name).dedup_key for name in ("metric_activated", "metric_activated_elsewhere")}

    assert len(keys) == 2


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, KIND)
