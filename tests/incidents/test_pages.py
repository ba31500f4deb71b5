"""What the incident pages say and do: with htmx, without it, and two people at once."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from incidents.models import Alert, Incident, Service, TimelineEntry
from incidents.services.lifecycle import (
    acknowledge_incidents,
    add_note,
    resolve_incidents,
)
from opsknight.models import Team, User
from tests.factories import IncidentFactory, ServiceFactory
from tests.incidents.cast import HTMX, browser


def act(client: Client, name: str, incident: Incident, **data: Any) -> HttpResponse:
    """Press a button on the incident page as htmx does."""
    return client.post(reverse(f"incidents:{name}", args=[incident.pk]), data, headers=HTMX)


def toast_of(response: HttpResponse) -> str:
    """What the answer says to the person."""
    said: str = json.loads(response["HX-Trigger"])["toast"]["text"]
    return said


def page(client: Client, name: str, *args: int, **query: str) -> str:
    """The text of a page."""
    response = client.get(reverse(f"incidents:{name}", args=args), query)
    assert response.status_code == 200
    return response.content.decode()


# --- Acting ---------------------------------------------------------------------------------------


def test_acknowledge_answers_with_the_new_state(bob: User, outage: Incident) -> None:
    response = act(browser(bob), "acknowledge", outage)

    text = response.content.decode()
    assert "Acknowledged" in text
    assert "by Bob Ray" in text
    assert reverse("incidents:unacknowledge", args=[outage.pk]) in text
    assert toast_of(response) == "Acknowledged. The escalation has stopped."


def test_acknowledge_can_be_undone_from_its_toast(bob: User, outage: Incident) -> None:
    response = act(browser(bob), "acknowledge", outage)

    action = json.loads(response["HX-Trigger"])["toast"]["action"]
    assert action == {
        "label": "Undo",
        "url": reverse("incidents:unacknowledge", args=[outage.pk]),
    }


def test_acknowledge_without_javascript_leads_back_and_says_so(bob: User, outage: Incident) -> None:
    client = browser(bob)

    response = client.post(reverse("incidents:acknowledge", args=[outage.pk]), follow=True)

    assert response.redirect_chain == [(reverse("incidents:detail", args=[outage.pk]), 302)]
    assert "The escalation has stopped." in response.content.decode()


def test_second_to_acknowledge_is_told_who_was_first(
    bob: User, carol: User, outage: Incident
) -> None:
    act(browser(bob), "acknowledge", outage)

    response = act(browser(carol), "acknowledge", outage)

    outage.refresh_from_db()
    assert toast_of(response) == "Already acknowledged by Bob Ray just now."
    assert outage.acknowledged_by == bob


def test_acknowledging_what_was_resolved_says_who_resolved_it(
    bob: User, carol: User, outage: Incident
) -> None:
    resolve_incidents(incident_ids=[outage.pk], actor=carol)

    response = act(browser(bob), "acknowledge", outage)

    assert toast_of(response) == "Already resolved by Carol Diaz just now."


def test_acknowledging_what_the_monitoring_system_resolved_says_so(
    bob: User, outage: Incident
) -> None:
    resolve_incidents(incident_ids=[outage.pk], actor=None, source="Alertmanager")

    response = act(browser(bob), "acknowledge", outage)

    assert toast_of(response) == "Already resolved by the monitoring system just now."


def test_giving_back_starts_the_escalation_again(bob: User, outage: Incident) -> None:
    acknowledge_incidents(incident_ids=[outage.pk], actor=bob)

    act(browser(bob), "unacknowledge", outage)

    outage.refresh_from_db()
    assert outage.status == "triggered"
    assert outage.escalate_at is not None


def test_giving_back_what_nobody_has_is_a_conflict(bob: User, outage: Incident) -> None:
    response = act(browser(bob), "unacknowledge", outage)

    assert response.status_code == 409
    assert "triggered" in response.json()["error"]["message"]


def test_resolve_keeps_the_note(bob: User, outage: Incident) -> None:
    act(browser(bob), "resolve", outage, note="Rolled back.")

    outage.refresh_from_db()
    assert outage.status == "resolved"
    assert outage.timeline.get(kind="note").message == "Rolled back."


def test_resolve_has_a_form_where_dialogs_do_not_work(bob: User, outage: Incident) -> None:
    client = browser(bob)

    form = page(client, "resolve", outage.pk)
    client.post(reverse("incidents:resolve", args=[outage.pk]), {"note": ""})

    outage.refresh_from_db()
    assert '<textarea name="note"' in form
    assert outage.status == "resolved"


def test_note_too_long_to_keep_resolves_nothing(bob: User, outage: Incident) -> None:
    response = browser(bob).post(
        reverse("incidents:resolve", args=[outage.pk]), {"note": "x" * 10_001}
    )

    outage.refresh_from_db()
    assert response.status_code == 422
    assert outage.status == "triggered"


@pytest.mark.parametrize("kind", ["user", "team"])
def test_reassign_gives_it_to_a_person_or_a_team(
    bob: User, carol: User, payments: Team, outage: Incident, kind: str
) -> None:
    pk = carol.pk if kind == "user" else payments.pk

    response = act(browser(bob), "reassign", outage, whom=f"{kind}-{pk}")

    outage.refresh_from_db()
    assert (outage.assignee, outage.team) == ((carol, None) if kind == "user" else (None, payments))
    assert toast_of(response).startswith("Assigned to")


def test_reassign_to_nobody_takes_it_away(bob: User, outage: Incident) -> None:
    Incident.objects.filter(pk=outage.pk).update(assignee=bob)

    response = act(browser(bob), "reassign", outage, whom="")

    outage.refresh_from_db()
    assert outage.assignee is None
    assert toast_of(response) == "Nobody is assigned now."


@pytest.mark.parametrize("whom", ["user-999999999", "team-x", "root", "user-"])
def test_reassign_to_what_is_not_there_is_refused(bob: User, outage: Incident, whom: str) -> None:
    response = act(browser(bob), "reassign", outage, whom=whom)

    assert response.status_code == 400
    assert outage.timeline.count() == 0


def test_giving_an_incident_out_of_ones_own_sight_leads_to_the_list(
    eve: User, bob: User, outage: Incident
) -> None:
    Incident.objects.filter(pk=outage.pk).update(assignee=eve)

    response = act(browser(eve), "reassign", outage, whom=f"user-{bob.pk}")

    assert response["HX-Redirect"] == reverse("incidents:list")


def test_note_goes_on_the_timeline_and_the_form_comes_back_empty(
    bob: User, outage: Incident
) -> None:
    client = browser(bob)

    response = act(client, "note", outage, text="Looking at it.")

    assert "Looking at it." in page(client, "timeline", outage.pk)
    assert "Looking at it." not in response.content.decode()
    assert "incident-acted" in json.loads(response["HX-Trigger"])


def test_empty_note_is_refused(bob: User, outage: Incident) -> None:
    response = act(browser(bob), "note", outage, text="  ")

    assert response.status_code == 400
    assert response.json()["error"]["fields"] == {"text": ["A note needs a text."]}


# --- Showing --------------------------------------------------------------------------------------


def alert_of(incident: Incident, **fields: Any) -> Alert:
    """An alert that belongs to the incident."""
    values: dict[str, Any] = {
        "service": incident.service,
        "incident": incident,
        "action": "trigger",
        "dedup_key": "k",
        "summary": "5xx",
        "severity": "critical",
    }
    return Alert.objects.create(**values | fields)


def test_nothing_that_a_monitor_sends_becomes_markup(bob: User, outage: Incident) -> None:
    evil = "<script>alert(1)</script>"
    Incident.objects.filter(pk=outage.pk).update(title=evil, description=evil, dedup_key=evil)
    alert_of(outage, summary=evil, source=evil, details={evil: evil, "deep": {evil: [evil]}})
    add_note(incident_id=outage.pk, actor=bob, text=evil)
    client = browser(bob)

    texts = [page(client, "detail", outage.pk), page(client, "list"), page(client, "dashboard")]

    for text in texts:
        assert evil not in text
        assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        " JaVaScRiPt:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "//evil.example",
        "",
    ],
)
def test_links_that_lead_to_no_web_page_are_not_links(
    bob: User, outage: Incident, href: str
) -> None:
    alert_of(outage, links=[{"href": href, "text": "Press me"}])

    text = page(browser(bob), "detail", outage.pk)

    assert "Press me" not in text
    assert 'href="javascript' not in text.lower()


def test_link_of_an_alert_opens_apart_without_a_way_back(bob: User, outage: Incident) -> None:
    alert_of(outage, links=[{"href": "https://grafana.example/d/1", "text": "Graph"}])

    text = page(browser(bob), "detail", outage.pk)

    assert 'href="https://grafana.example/d/1" rel="noopener noreferrer nofollow"' in text


@pytest.mark.parametrize(
    ("links", "details"),
    [
        ("nonsense", {}),
        ([1, None, "x", {"href": 3}], {}),
        ([], {"a": None, "b": [], "c": {"d": {"e": [1, {"f": 2}]}}}),
        ([], ["a", "list"]),
        ([], "text"),
    ],
)
def test_alerts_of_any_shape_can_be_shown(
    bob: User, outage: Incident, links: Any, details: Any
) -> None:
    alert_of(outage, links=links, details=details)

    assert "5xx" in page(browser(bob), "detail", outage.pk)


def test_details_are_readable_and_the_newest_alerts_are_shown(bob: User, outage: Incident) -> None:
    now = timezone.now()
    for number in range(25):
        alert_of(
            outage,
            summary=f"Alert number {number:02}",
            details={"labels": {"severity": "critical"}, "firing": True},
            received_at=now - timedelta(minutes=number),
        )
    Incident.objects.filter(pk=outage.pk).update(alert_count=25)

    text = page(browser(bob), "detail", outage.pk)

    assert '<th scope="row">labels.severity</th><td>critical</td>' in text
    assert "Alert number 19" in text
    assert "Alert number 20" not in text
    assert "5 older not shown" in text


def test_open_page_is_told_of_alerts_it_does_not_show(bob: User, outage: Incident) -> None:
    Incident.objects.filter(pk=outage.pk).update(alert_count=7)

    text = page(browser(bob), "header", outage.pk, seen="5")

    assert "2 new alerts" in text


@pytest.mark.parametrize("seen", ["", "x", "7", "-1", "9" * 40])
def test_open_page_is_not_told_of_alerts_otherwise(bob: User, outage: Incident, seen: str) -> None:
    Incident.objects.filter(pk=outage.pk).update(alert_count=7)

    assert "new alert" not in page(browser(bob), "header", outage.pk, seen=seen)


def test_long_timeline_is_cut_and_can_be_shown_whole(bob: User, outage: Incident) -> None:
    TimelineEntry.objects.bulk_create(
        TimelineEntry(incident=outage, kind="changed", message=f"Change {n:03}") for n in range(130)
    )
    client = browser(bob)

    short, whole = (
        page(client, "detail", outage.pk),
        page(client, "detail", outage.pk, timeline="all"),
    )

    assert "Change 129" in short
    assert "Change 020" not in short
    assert "Change 000" in whole


def test_every_kind_of_entry_has_its_look(bob: User, outage: Incident) -> None:
    TimelineEntry.objects.bulk_create(
        TimelineEntry(incident=outage, kind=kind, message=f"It was {kind}")
        for kind in TimelineEntry.Kind
    )

    text = page(browser(bob), "timeline", outage.pk)

    assert all(f"It was {kind}" in text for kind in TimelineEntry.Kind if kind != "note")


@pytest.mark.parametrize("status", ["triggered", "acknowledged", "resolved", "suppressed"])
def test_page_works_in_every_status(bob: User, wiki: Service, status: str) -> None:
    incident = IncidentFactory(service=wiki, status=status)

    assert status in page(browser(bob), "detail", incident.pk)


# --- Queries --------------------------------------------------------------------------------------


def test_incident_page_costs_the_same_with_one_alert_and_with_many(
    bob: User, outage: Incident, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    alert_of(outage)
    add_note(incident_id=outage.pk, actor=bob, text="One")
    client = browser(bob)
    address = reverse("incidents:detail", args=[outage.pk])
    client.get(address)

    # session, user, incident, alerts, changes before it, timeline, people and teams of the reassign
    # form
    with django_assert_num_queries(8):
        client.get(address)

    for number in range(9):
        alert_of(outage)
        add_note(incident_id=outage.pk, actor=bob, text=str(number))
        ServiceFactory()
    with django_assert_num_queries(8):
        client.get(address)


def test_fragments_of_the_incident_page_are_cheap(
    bob: User, outage: Incident, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser(bob)
    client.get(reverse("incidents:header", args=[outage.pk]))

    with django_assert_num_queries(3):  # session, user, incident
        client.get(reverse("incidents:header", args=[outage.pk]))
    with django_assert_num_queries(4):  # and the timeline
        client.get(reverse("incidents:timeline", args=[outage.pk]))
