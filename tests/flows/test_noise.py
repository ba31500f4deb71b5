"""Maintenance, storms and flapping on a running stack: what pages, and what ends by itself."""

from tests.flows.conftest import Flow
from tests.processes import wait_until

PEOPLE = 2  # whom the policy pages
MAINTENANCE = """
from datetime import timedelta
from incidents.models import Service
from incidents.services.maintenance import start_maintenance
service = Service.objects.get(name="Checkout")
start_maintenance(service=service, length=timedelta(seconds=6), reason="Disks", actor=None)
"""


def test_alert_of_a_maintenance_pages_when_it_is_over(flow: Flow):
    flow.stack.run(MAINTENANCE)

    incident = flow.send("trigger", "held", "Held back")["incident"]
    before = len(flow.mailbox.about("Held back"))

    messages = flow.mailbox.wait_for("Held back", PEOPLE, 30)
    said = flow.sql(
        "SELECT message FROM incidents_timelineentry WHERE incident_id = %s ORDER BY id",
        incident["id"],
    )
    assert (incident["status"], before, len(messages)) == ("suppressed", 0, PEOPLE)
    assert [row[0] for row in said][1].startswith("Maintenance until ")
    assert "Maintenance is over: triggered" in [row[0] for row in said]
    flow.send("resolve", "held")


def test_storm_pages_once_and_ends_by_itself(flow: Flow):
    flow.sql("UPDATE incidents_incident SET created_at = created_at - interval '2 minutes'")
    flow.sql("UPDATE incidents_service SET storm_threshold = 1")
    try:
        flow.send("trigger", "first", "First of many")
        results = [flow.send("trigger", f"more-{n}", f"More of many {n}") for n in range(20)]
        storm = results[0]["incident"]["id"]

        messages = flow.mailbox.wait_for("on Checkout", PEOPLE, 30)
        for number in range(20):
            flow.send("resolve", f"more-{number}")
        flow.sql("UPDATE incidents_stormmember SET opened_at = opened_at - interval '1 minute'")
        flow.sql("UPDATE incidents_incident SET created_at = created_at - interval '1 minute'")

        wait_until(lambda: status_of(flow, storm) == "resolved", 30, "the storm is over")
        assert {result["action"] for result in results} == {"folded"}
        assert {result["incident"]["id"] for result in results} == {storm}
        assert len(messages) == len(flow.mailbox.about("on Checkout")) == PEOPLE
        assert len(flow.mailbox.about("First of many")) == PEOPLE
    finally:
        flow.sql("UPDATE incidents_service SET storm_threshold = 0")
    flow.send("resolve", "first")


def test_flapping_key_pages_once_and_ends_by_itself(flow: Flow):
    for _ in range(6):
        incident = flow.send("trigger", "flap", "Flapping")["incident"]["id"]
        flow.send("resolve", "flap")
    last = flow.send("trigger", "flap", "Flapping")
    flow.mailbox.wait_for(f"#{incident}", PEOPLE, 30)

    flow.send("resolve", "flap")
    flow.sql(
        "UPDATE incidents_incident SET quiet_since = quiet_since - interval '31 minutes'"
        " WHERE id = %s",
        incident,
    )

    wait_until(lambda: status_of(flow, incident) == "resolved", 30, "it flaps no more")
    assert (last["action"], last["incident"]["id"]) == ("deduplicated", incident)
    assert len(flow.mailbox.about(f"#{incident}")) == PEOPLE


def status_of(flow: Flow, incident_id: int) -> str:
    """The status as it is now."""
    rows = flow.sql("SELECT status FROM incidents_incident WHERE id = %s", incident_id)
    status: str = rows[0][0]
    return status
