"""What Opsgenie's Alert API refuses, and to whom."""

import uuid

import pytest

from incidents.models import Delivery, Incident, Integration
from tests.factories import IncidentFactory
from tests.incidents.doors import Door
from tests.incidents.genie import DISK, DISK_ALIAS, Client, genie, knock, make_client, refused

__all__ = ["genie", "knock"]


# --- who may -------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("identifier", ["x", str(uuid.UUID(int=7)), "1", "%00", "7" * 400])
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


# --- what is refused -----------------------------------------------------------------------------


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


@pytest.mark.parametrize("note", ["\x00", "a\x00b", "\ud7ff\uffff😀", "x" * 200_000, 7, None, {}])
@pytest.mark.parametrize("action", ["notes", "close"])
def test_odd_notes_break_nothing(genie: Client, note: object, action: str):
    incident = IncidentFactory(service=genie.integration.service)

    answer = genie.ask("POST", f"/{incident.pk}/{action}", {"note": note, "user": note})

    assert answer.status_code in (202, 422)


@pytest.mark.parametrize("content", [b'{"note": "\\ud800"}', b'{"note": "\\u0000x"}'])
def test_odd_characters_break_nothing(genie: Client, content: bytes):
    incident = IncidentFactory(service=genie.integration.service)
    headers = {"authorization": f"GenieKey {genie.integration.key}"}

    answer = genie.door.request("POST", f"/v2/alerts/{incident.pk}/notes", content, headers)

    assert answer.status_code in (202, 400)


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
