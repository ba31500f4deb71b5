"""Alerts through Opsgenie's Alert API: created, acknowledged, closed, written about."""

import pytest

from incidents.models import Alert, Delivery, Incident, Route, TimelineEntry
from tests.incidents.doors import Door
from tests.incidents.genie import DISK, DISK_ALIAS, ROOTS, Client, genie, knock, refused

__all__ = ["genie", "knock"]


# --- create, acknowledge, close by alias: the door -----------------------------------------------


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("slash", ["", "/"])
def test_create_acknowledge_close_by_alias(genie: Client, root: str, slash: str):
    create = genie.ask("POST", slash, DISK, root=root)
    incident = Incident.objects.get()
    named = f"/{DISK_ALIAS}"
    acknowledge = genie.ask(
        "POST", f"{named}/acknowledge{slash}?identifierType=alias", {}, root=root
    )
    incident.refresh_from_db()
    after_acknowledge = incident.status
    close = genie.ask("POST", f"{named}/close{slash}?identifierType=alias", root=root)

    incident.refresh_from_db()
    assert [a.status_code for a in (create, acknowledge, close)] == [202, 202, 202]
    assert (incident.dedup_key, incident.title) == ("disk/db-1", "Disk of db-1 is full")
    assert (after_acknowledge, incident.status) == ("acknowledged", "resolved")


def test_priority_and_texts_of_the_alert_are_the_incidents(genie: Client):
    genie.ask("POST", "", DISK)

    incident = Incident.objects.get()
    alert = Alert.objects.get()
    assert (incident.priority, incident.urgency) == ("P2", "medium")
    assert incident.description == "97 % of /var is used."
    assert (alert.severity, alert.source) == ("error", "db-1")
    assert alert.details["tags"] == ["disk", "production"]
    assert alert.details["responders"] == [{"name": "Storage", "type": "team"}]


def test_second_alert_with_the_alias_joins_the_first(genie: Client):
    genie.ask("POST", "", DISK)

    outcome = genie.outcome_of(genie.ask("POST", "", DISK))

    incident = Incident.objects.get()
    assert incident.alert_count == 2
    assert (outcome["isSuccess"], outcome["alertId"]) == (True, str(incident.pk))


def test_alerts_without_alias_join_nothing(genie: Client):
    genie.ask("POST", "", {"message": "Broken"})
    genie.ask("POST", "", {"message": "Broken"})

    assert Incident.objects.count() == 2


def test_request_tells_what_became_of_it(genie: Client):
    created = genie.outcome_of(genie.ask("POST", "", DISK))
    closed = genie.outcome_of(genie.ask("POST", f"/{DISK_ALIAS}/close?identifierType=alias"))

    number = str(Incident.objects.get().pk)
    assert created == {
        "success": True,
        "isSuccess": True,
        "action": "Create",
        "status": "Created alert",
        "processedAt": created["processedAt"],
        "integrationId": str(genie.integration.pk),
        "alertId": number,
        "alias": "disk/db-1",
    }
    assert created["processedAt"].endswith("Z")
    assert (closed["action"], closed["status"], closed["alertId"]) == (
        "Close",
        "Closed alert",
        number,
    )


@pytest.mark.parametrize("action", ["close", "acknowledge"])
def test_action_on_an_unknown_alias_is_taken_and_its_request_tells(genie: Client, action: str):
    outcome = genie.outcome_of(genie.ask("POST", f"/nothing/{action}?identifierType=alias", {}))

    assert outcome["isSuccess"] is False
    assert (outcome["status"], outcome["alertId"], outcome["alias"]) == (
        "Alert does not exist",
        "",
        "",
    )
    assert Incident.objects.count() == 0


def test_who_closed_it_and_why_is_on_the_timeline(genie: Client):
    genie.ask("POST", "", DISK)

    said = {"user": "Kim", "note": "Old logs were removed."}
    genie.ask("POST", f"/{DISK_ALIAS}/close?identifierType=alias", said)

    last = TimelineEntry.objects.get(kind="resolved")
    assert last.message == "Resolved by Nagger: Old logs were removed. (Kim)"


def test_delete_closes_and_keeps_the_history(genie: Client):
    genie.ask("POST", "", DISK)

    outcome = genie.outcome_of(genie.ask("DELETE", f"/{DISK_ALIAS}?identifierType=alias"))

    assert (outcome["action"], outcome["status"]) == ("Delete", "Closed alert")
    assert Incident.objects.get().status == "resolved"


def test_address_with_the_key_takes_alerts_too(knock: Door, genie: Client):
    answer = knock.post(f"/api/integrations/opsgenie/{genie.integration.key}", DISK)

    assert genie.outcome_of(answer)["isSuccess"] is True


def test_deliveries_are_recorded_without_the_key(genie: Client):
    genie.ask("POST", "", DISK)
    genie.ask("POST", f"/{Incident.objects.get().pk}/notes", {"note": "Looking."})

    first, second = Delivery.objects.order_by("id")
    assert (first.kind, first.verdict, first.query) == (
        "opsgenie",
        "accepted",
        {"action": "create"},
    )
    assert second.query["action"] == "notes"
    assert genie.integration.key not in str([d.headers for d in (first, second)])


# --- by number, notes: the database at once ------------------------------------------------------


@pytest.mark.parametrize("identifier_type", ["", "?identifierType=id", "?identifierType=tiny"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("action", "status", "said"),
    [
        ("acknowledge", "acknowledged", "Acknowledged alert"),
        ("close", "resolved", "Closed alert"),
    ],
)
def test_actions_by_number(
    genie: Client, identifier_type: str, slash: str, action: str, status: str, said: str
):
    genie.ask("POST", "", DISK)
    incident = Incident.objects.get()

    answer = genie.ask("POST", f"/{incident.pk}/{action}{slash}{identifier_type}", {})

    outcome = genie.outcome_of(answer)
    incident.refresh_from_db()
    assert incident.status == status
    assert (outcome["isSuccess"], outcome["status"]) == (True, said)
    assert (outcome["alertId"], outcome["alias"]) == (str(incident.pk), "disk/db-1")


def test_closing_an_old_incident_by_number_leaves_the_new_one_of_its_alias_open(genie: Client):
    genie.ask("POST", "", DISK)
    old = Incident.objects.get()
    genie.ask("POST", f"/{old.pk}/close")
    genie.ask("POST", "", DISK)

    genie.ask("POST", f"/{old.pk}/close")

    assert [i.status for i in Incident.objects.order_by("id")] == ["resolved", "triggered"]


def test_acknowledging_what_is_closed_changes_nothing_and_its_request_tells(genie: Client):
    genie.ask("POST", "", DISK)
    number = Incident.objects.get().pk
    genie.ask("POST", f"/{number}/close")

    outcome = genie.outcome_of(genie.ask("POST", f"/{number}/acknowledge", {}))

    assert (outcome["isSuccess"], outcome["status"]) == (False, f"Incident #{number} is resolved.")
    assert Incident.objects.get().status == "resolved"


def test_priority_of_a_route_goes_before_the_alerts_own(genie: Client):
    Route.objects.create(integration=genie.integration, position=0, name="All", priority="P5")

    genie.ask("POST", "", DISK)

    assert Incident.objects.get().priority == "P5"


def test_unacknowledge_gives_it_back(genie: Client):
    genie.ask("POST", "", DISK)
    genie.ask("POST", f"/{DISK_ALIAS}/acknowledge?identifierType=alias", {})

    outcome = genie.outcome_of(
        genie.ask("POST", f"/{DISK_ALIAS}/unacknowledge?identifierType=alias", {})
    )

    incident = Incident.objects.get()
    assert outcome["status"] == "Unacknowledged alert"
    told = TimelineEntry.objects.get(kind="unacknowledged")
    assert told.message == "Acknowledgement withdrawn (Nagger)"
    assert incident.status == "triggered"
    assert incident.escalate_at is not None


def test_unacknowledge_of_what_is_not_acknowledged_says_so(genie: Client):
    genie.ask("POST", "", DISK)

    answer = genie.ask("POST", f"/{DISK_ALIAS}/unacknowledge?identifierType=alias", {})

    assert "triggered" in refused(answer, 409)
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("identifier_type", ["alias", "id"])
def test_note_is_on_the_timeline_with_its_author(genie: Client, identifier_type: str):
    genie.ask("POST", "", DISK)
    number = Incident.objects.get().pk
    named = DISK_ALIAS if identifier_type == "alias" else number

    answer = genie.ask(
        "POST",
        f"/{named}/notes?identifierType={identifier_type}",
        {"note": "Looking at it.", "user": "Kim"},
    )

    note = TimelineEntry.objects.get(kind="note")
    assert (note.incident_id, note.message, note.actor_label) == (
        number,
        "Looking at it.",
        "Kim (Nagger)",
    )
    assert genie.outcome_of(answer)["status"] == "Added note"


def test_note_of_a_close_by_number_is_kept(genie: Client):
    genie.ask("POST", "", DISK)

    genie.ask("POST", f"/{Incident.objects.get().pk}/close", {"note": "Done."})

    assert TimelineEntry.objects.get(kind="note").message == "Done."


def test_empty_note_is_refused(genie: Client):
    genie.ask("POST", "", DISK)

    answer = genie.ask("POST", f"/{DISK_ALIAS}/notes?identifierType=alias", {"note": " "})

    assert refused(answer, 422) == "Note can not be empty."
    assert answer.json()["errors"] == {"note": "Note can not be empty."}
