"""What Opsgenie's Alert API shows of alerts."""

import pytest

from incidents.models import Incident, Integration, Service
from incidents.services.lifecycle import open_incident
from tests.factories import IncidentFactory, UserFactory
from tests.incidents.genie import DISK, DISK_ALIAS, Client, genie, knock, refused

__all__ = ["genie", "knock"]


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


def test_alert_that_a_storm_holds_is_found_as_the_storm(genie: Client):
    Service.objects.filter(pk=genie.integration.service_id).update(storm_threshold=1)
    genie.ask("POST", "", {"message": "First", "alias": "first"})
    outcomes = [
        genie.outcome_of(genie.ask("POST", "", {"message": "More", "alias": alias}))
        for alias in ("second", "third")
    ]

    alert = genie.data("/third?identifierType=alias")

    storm = str(Incident.objects.get(is_storm=True).pk)
    assert alert["id"] == storm
    assert [o["isSuccess"] for o in outcomes] == [True, True]
    assert [(o["alertId"], o["alias"]) for o in outcomes] == [(storm, "second"), (storm, "third")]


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


@pytest.mark.parametrize("path", ["", "/count", f"/{DISK_ALIAS}?identifierType=alias"])
@pytest.mark.parametrize("change", [{"key": "f" * 32}, {"enabled": False}])
def test_key_that_was_taken_away_reads_nothing_any_more(
    genie: Client, path: str, change: dict[str, object]
):
    # The door believes a key for ten seconds; what is stored decides.
    genie.ask("POST", "", DISK)
    Integration.objects.filter(pk=genie.integration.pk).update(**change)

    assert genie.ask("GET", path).status_code == 403
