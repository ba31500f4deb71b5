"""Opsgenie's Alert API at the door."""

import uuid
from typing import Any

import httpx
import pytest

from incidents.models import Alert, Delivery, Incident, Integration, Service, TimelineEntry
from incidents.services.lifecycle import open_incident
from tests.factories import IncidentFactory, ServiceFactory, UserFactory
from tests.incidents.doors import Door, knock

__all__ = ["knock"]

DISK: dict[str, Any] = {
    "message": "Disk of db-1 is full",
    "alias": "disk/db-1",
    "description": "97 % of /var is used.",
    "responders": [{"name": "Storage", "type": "team"}],
    "tags": ["disk", "production"],
    "details": {"mount": "/var"},
    "entity": "db-1",
    "source": "capacity-check",
    "priority": "P2",
}
DISK_ALIAS = "disk%2Fdb-1"
ROOTS = ["/v2/alerts", "/api/integrations/opsgenie/v2/alerts"]


class Client:
    """Asks as Opsgenie's clients do."""

    def __init__(self, door: Door, integration: Integration) -> None:
        self.door = door
        self.integration = integration

    def ask(
        self, method: str, path: str = "", body: Any = None, *, root: str = "/v2/alerts"
    ) -> httpx.Response:
        content = b"" if body is None else httpx.Request("POST", "/", json=body).read()
        headers = {"authorization": f"GenieKey {self.integration.key}"}
        return self.door.request(method, root + path, content, headers)

    def data(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        assert answer.json()["took"] > 0
        assert uuid.UUID(answer.json()["requestId"])
        return answer.json()["data"]

    def outcome_of(self, answer: httpx.Response) -> Any:
        """What `requests/<id>` says of an accepted request."""
        assert answer.status_code == 202, answer.text
        body = answer.json()
        assert body["result"] == "Request will be processed"
        assert body["took"] > 0
        return self.data(f"/requests/{body['requestId']}")


def make_client(door: Door, service: Service | None = None) -> Client:
    service = service or ServiceFactory()
    integration = Integration.objects.create(service=service, name="Nagger", kind="opsgenie")
    return Client(door, integration)


@pytest.fixture
def genie(knock: Door) -> Client:
    """A client with the key of an Opsgenie integration."""
    return make_client(knock)


def refused(answer: httpx.Response, status: int) -> str:
    """The message of a refusal in Opsgenie's shape."""
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert set(body) - {"errors"} == {"message", "took", "requestId"}
    return str(body["message"])


# --- create, acknowledge, close by alias: the door ------------------------------------------


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


# --- by number, notes: the database at once -------------------------------------------------


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


def test_unacknowledge_gives_it_back(genie: Client):
    genie.ask("POST", "", DISK)
    genie.ask("POST", f"/{DISK_ALIAS}/acknowledge?identifierType=alias", {})

    outcome = genie.outcome_of(
        genie.ask("POST", f"/{DISK_ALIAS}/unacknowledge?identifierType=alias", {})
    )

    incident = Incident.objects.get()
    assert outcome["status"] == "Unacknowledged alert"
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


# --- reading --------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
def test_alert_has_what_was_said_of_it(genie: Client, slash: str):
    genie.ask("POST", "", DISK)
    number = str(Incident.objects.get().pk)

    alert = genie.data(f"/{number}{slash}")

    assert alert["id"] == alert["tinyId"] == number
    responders = [{"id": "Storage", "name": "Storage", "type": "team"}]
    assert {name: alert[name] for name in DISK} == DISK | {"responders": responders}
    assert (alert["status"], alert["acknowledged"], alert["count"]) == ("open", False, 1)
    assert alert["integration"] == {
        "id": str(genie.integration.pk),
        "name": "Nagger",
        "type": "API",
    }


@pytest.mark.parametrize("identifier_type", ["alias", "id", "tiny"])
def test_alert_is_found_by_each_identifier(genie: Client, identifier_type: str):
    genie.ask("POST", "", DISK)
    number = str(Incident.objects.get().pk)
    named = DISK_ALIAS if identifier_type == "alias" else number

    assert genie.data(f"/{named}?identifierType={identifier_type}")["id"] == number


def test_alias_names_the_open_alert_and_without_one_the_last(genie: Client):
    genie.ask("POST", "", DISK)
    genie.ask("POST", f"/{DISK_ALIAS}/close?identifierType=alias")
    closed = genie.data(f"/{DISK_ALIAS}?identifierType=alias")
    genie.ask("POST", "", DISK)

    opened = genie.data(f"/{DISK_ALIAS}?identifierType=alias")

    assert (closed["status"], opened["status"]) == ("closed", "open")
    assert closed["report"]["closeTime"] >= 0


def test_private_alert_has_no_title(genie: Client):
    incident = IncidentFactory(
        service=genie.integration.service, title="Card data leaked", visibility="private"
    )

    answers = [genie.ask("GET", f"/{incident.pk}"), genie.ask("GET")]

    assert [a.status_code for a in answers] == [200, 200]
    assert not any("leaked" in a.text for a in answers)


def test_incident_opened_by_hand_is_an_alert_too(genie: Client):
    incident = open_incident(
        service=genie.integration.service, title="Phones are dead", actor=UserFactory()
    )

    alert = genie.data(f"/{incident.pk}")
    outcome = genie.outcome_of(genie.ask("POST", f"/{incident.pk}/close"))

    assert (alert["message"], alert["alias"]) == ("Phones are dead", str(incident.pk))
    assert outcome["isSuccess"] is True


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [2, 1, 0]),
        ("?query=status:open", [2, 1]),
        ("?query=status%3A%20open", [2, 1]),
        ("?query=status=closed", [0]),
        ("?query=alias:one%20AND%20status:open", [1]),
        ('?query=alias:"zero"', [0]),
        ("?limit=1", [2]),
        ("?limit=1&offset=1", [1]),
        ("?order=asc", [0, 1, 2]),
        ("?sort=updatedAt&order=asc&limit=1", [1]),
    ],
)
def test_list(genie: Client, query: str, expected: list[int]):
    rows = [
        IncidentFactory(service=genie.integration.service, dedup_key=name, status=status)
        for name, status in (("zero", "resolved"), ("one", "triggered"), ("two", "acknowledged"))
    ]
    Incident.objects.filter(pk=rows[1].pk).update(updated_at=rows[0].created_at)
    IncidentFactory()

    listed = [int(alert["id"]) for alert in genie.data(query)]

    assert listed == [rows[place].pk for place in expected]


def test_list_has_pages(genie: Client):
    IncidentFactory.create_batch(3, service=genie.integration.service)

    paging = genie.ask("GET", "?limit=1&offset=1&query=status:open").json()["paging"]

    assert paging["next"].endswith("/v2/alerts?query=status%3Aopen&limit=1&offset=2")
    assert paging["prev"].endswith("&limit=1&offset=0")


def test_alerts_are_counted(genie: Client):
    IncidentFactory.create_batch(2, service=genie.integration.service)

    assert genie.data("/count?query=status:open") == {"count": 2}


@pytest.mark.parametrize(
    "query",
    ["?query=tag:disk", "?query=status:weird", "?limit=x", "?offset=-1", "?offset=20000",
     "?sort=tinyId", "?limit=%D9%A3"],
)  # fmt: skip
def test_list_says_what_it_does_not_understand(genie: Client, query: str):
    assert refused(genie.ask("GET", query), 422)


# --- who may --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/{id}"),
        ("GET", "/theirs?identifierType=alias"),
        ("POST", "/{id}/close"),
        ("POST", "/{id}/acknowledge"),
        ("POST", "/{id}/notes"),
        ("POST", "/theirs/notes?identifierType=alias"),
        ("DELETE", "/{id}"),
    ],
)
def test_alert_of_another_service_is_not_there(genie: Client, method: str, path: str):
    theirs = IncidentFactory(dedup_key="theirs")

    answer = genie.ask(method, path.format(id=theirs.pk), {"note": "x"})

    theirs.refresh_from_db()
    assert refused(answer, 404) == "Alert does not exist."
    assert theirs.status == "triggered"
    assert theirs.timeline.count() == 0


def test_closing_an_alias_leaves_the_same_alias_of_another_service_open(genie: Client):
    theirs = IncidentFactory(dedup_key="disk/db-1")

    genie.ask("POST", f"/{DISK_ALIAS}/close?identifierType=alias")

    theirs.refresh_from_db()
    assert theirs.status == "triggered"


def test_request_of_another_integration_is_not_there(knock: Door, genie: Client):
    request_id = genie.ask("POST", "", DISK).json()["requestId"]
    other = make_client(knock, genie.integration.service)

    assert refused(other.ask("GET", f"/requests/{request_id}"), 404)


@pytest.mark.parametrize("identifier", ["x", str(uuid.uuid4()), "1", "%00", "7" * 400])
def test_unknown_request_is_not_there(genie: Client, identifier: str):
    assert refused(genie.ask("GET", f"/requests/{identifier}"), 404)


@pytest.mark.parametrize("identifier", ["0", "9" * 30, "x", "%D9%A3", "%00", "-1", "%F0%28"])
def test_unknown_number_is_not_there(genie: Client, identifier: str):
    assert refused(genie.ask("GET", f"/{identifier}"), 404)
    assert refused(genie.ask("POST", f"/{identifier}/close", {}), 404)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "GenieKey"}, 401),
        ({"authorization": "GenieKey 00000000000000000000000000000000"}, 403),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ""), ("GET", ""), ("GET", "/1"), ("POST", "/1/close"), ("POST", "/1/snooze")],
)
def test_wrong_key_opens_nothing(
    knock: Door, headers: dict[str, str], status: int, method: str, path: str
):
    answer = knock.request(method, f"/v2/alerts{path}", b"{}", dict(headers))

    assert refused(answer, status)


def test_key_of_another_kind_opens_nothing(knock: Door, genie: Client):
    events = Integration.objects.create(
        service=genie.integration.service, name="Events", kind="events"
    )

    answer = knock.post("/v2/alerts", DISK, authorization=f"GenieKey {events.key}")

    assert refused(answer, 403)


def test_key_of_a_rotated_integration_changes_nothing_by_number(genie: Client):
    genie.ask("POST", "", DISK)
    incident = Incident.objects.get()
    Integration.objects.filter(pk=genie.integration.pk).update(key="0" * 32)

    answer = genie.ask("POST", f"/{incident.pk}/close")

    incident.refresh_from_db()
    assert refused(answer, 403)
    assert incident.status == "triggered"


def test_key_may_stand_in_the_query(knock: Door, genie: Client):
    answer = knock.post(f"/v2/alerts?apiKey={genie.integration.key}", DISK)

    assert answer.status_code == 202
    assert genie.integration.key not in str(Delivery.objects.get().query)


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"\xff", 400),
        (b'{"a": ' * 5000 + b"1" + b"}" * 5000, 400),
        (b"{}", 422),
        (b'{"message": ""}', 422),
        (b'{"message": {}}', 422),
    ],
)
def test_malformed_alert_is_refused_and_recorded(genie: Client, content: bytes, status: int):
    headers = {"authorization": f"GenieKey {genie.integration.key}"}

    answer = genie.door.request("POST", "/v2/alerts", content, headers)

    assert refused(answer, status)
    delivery = Delivery.objects.get()
    assert delivery.verdict == "invalid"
    assert str(delivery.pk) == answer.json()["requestId"]
    outcome = genie.data(f"/requests/{delivery.pk}")
    assert (outcome["isSuccess"], outcome["status"]) == (False, delivery.reason)


@pytest.mark.parametrize("content", [b"{", b"[]", b"5", b"\xff"])
@pytest.mark.parametrize(
    "path", ["x/close?identifierType=alias", "{id}/close", "{id}/notes", "{id}/acknowledge"]
)
def test_malformed_action_is_refused(genie: Client, content: bytes, path: str):
    incident = IncidentFactory(service=genie.integration.service)
    headers = {"authorization": f"GenieKey {genie.integration.key}"}

    answer = genie.door.request(
        "POST", "/v2/alerts/" + path.format(id=incident.pk), content, headers
    )

    incident.refresh_from_db()
    assert refused(answer, 400)
    assert incident.status == "triggered"


def test_missing_message_is_named_as_opsgenie_names_it(genie: Client):
    answer = genie.ask("POST", "", {"alias": "x"})

    assert answer.json()["errors"] == {"message": "Message can not be empty."}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/1/snooze"),
        ("POST", "/1/tags?identifierType=alias"),
        ("DELETE", "/1/tags"),
        ("POST", "/1/assign"),
        ("POST", "/1/escalate"),
        ("POST", "/1/actions/Restart"),
        ("PUT", "/1/priority"),
        ("PUT", "/1/message"),
        ("GET", "/1/logs"),
        ("GET", "/1/attachments/2"),
        ("GET", "/saved-searches"),
        ("POST", "/saved-searches"),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_what_is_not_supported_says_so(genie: Client, method: str, path: str, slash: str):
    path, _, query = path.partition("?")

    answer = genie.ask(method, f"{path}{slash}?{query}", {})

    assert refused(answer, 422).startswith("OpsKnight has no “")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "", 405),
        ("DELETE", "", 405),
        ("PATCH", "/1", 405),
        ("GET", "/1/close", 405),
        ("GET", "/1/notes", 405),
        ("POST", "/requests/1", 405),
        ("POST", "/1/nonsense", 404),
        ("GET", "/1/close/2", 404),
        ("POST", "/1/close?identifierType=uuid", 422),
    ],
)
def test_wrong_address_is_refused(genie: Client, method: str, path: str, status: int):
    assert refused(genie.ask(method, path, {}), status)


def test_reading_counts_towards_the_limit_of_the_integration(genie: Client):
    Integration.objects.filter(pk=genie.integration.pk).update(rate_limit=1)

    answers = [genie.ask("GET") for _ in range(3)]  # a minute may end between two of them

    limited = next(a for a in answers if a.status_code != 200)
    assert refused(limited, 429)
    assert int(limited.headers["retry-after"]) > 0
