"""Opsgenie's official Python client, with nothing changed but the address."""

import opsgenie_sdk
import pytest

from tests.flows.conftest import Flow


@pytest.fixture
def alerts(flow: Flow) -> opsgenie_sdk.AlertApi:
    """The client, as its documentation sets it up."""
    configuration = opsgenie_sdk.configuration.Configuration()
    configuration.host = flow.stack.base_url
    configuration.api_key["Authorization"] = flow.keys["opsgenie"]
    return opsgenie_sdk.AlertApi(api_client=opsgenie_sdk.ApiClient(configuration=configuration))


def test_create_get_note_acknowledge_and_close(flow: Flow, alerts: opsgenie_sdk.AlertApi):
    alias = "disk /var on db-1: 97 %"
    payload = opsgenie_sdk.CreateAlertPayload(
        message="Disk of db-1 is full",
        alias=alias,
        description="97 % of /var is used.",
        responders=[{"name": "Storage", "type": "team"}],
        tags=["disk"],
        details={"mount": "/var"},
        entity="db-1",
        priority="P2",
    )

    created = alerts.create_alert(create_alert_payload=payload)
    status = created.retrieve_result().data
    alert = alerts.get_alert(identifier=alias, identifier_type="alias").data
    alerts.add_note(
        identifier=alert.id,
        add_note_to_alert_payload=opsgenie_sdk.AddNoteToAlertPayload(note="Looking", user="Kim"),
    )
    alerts.acknowledge_alert(
        identifier=alias,
        identifier_type="alias",
        acknowledge_alert_payload=opsgenie_sdk.AcknowledgeAlertPayload(user="Kim"),
    )
    acknowledged = alerts.get_alert(identifier=alert.tiny_id, identifier_type="tiny").data
    listed = alerts.list_alerts(query="status:open", limit=100).data
    closed = alerts.close_alert(identifier=alert.id)

    assert (status.is_success, status.action, status.alert_id) == (True, "Create", alert.id)
    assert (alert.message, alert.alias, alert.priority) == ("Disk of db-1 is full", alias, "P2")
    assert (alert.tags, alert.details, alert.entity) == (["disk"], {"mount": "/var"}, "db-1")
    assert (acknowledged.acknowledged, acknowledged.status) == (True, "open")
    assert alert.id in {row.id for row in listed}
    assert closed.retrieve_result().data.is_success
    assert alerts.get_alert(identifier=alert.id).data.status == "closed"
    kinds = "SELECT kind FROM incidents_timelineentry WHERE incident_id = %s AND kind = 'note'"
    assert flow.sql(kinds, int(alert.id)) == [("note",)]


def test_refusals_reach_whoever_calls(alerts: opsgenie_sdk.AlertApi):
    snooze = opsgenie_sdk.SnoozeAlertPayload(end_time="2030-01-01T00:00:00Z")

    with pytest.raises(opsgenie_sdk.exceptions.ApiException) as unknown:
        alerts.get_alert(identifier="999999999")
    with pytest.raises(opsgenie_sdk.exceptions.ConfigurationException) as unsupported:
        alerts.snooze_alert(identifier="1", snooze_alert_payload=snooze)

    assert (unknown.value.status, unsupported.value.status) == (404, 422)
    assert "snooze" in unsupported.value.body


def test_wrong_key_reaches_whoever_calls(alerts: opsgenie_sdk.AlertApi):
    alerts.api_client.configuration.api_key["Authorization"] = "0" * 32

    with pytest.raises(opsgenie_sdk.exceptions.AuthenticationException):
        alerts.create_alert(create_alert_payload=opsgenie_sdk.CreateAlertPayload(message="Broken"))
