"""Dashboard and list: filters in the address, pages by position, many at once, live rows."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from incidents.filters import IncidentFilter
from incidents.models import Alert, Incident, Integration, Service
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from incidents.web.cursor import page_of
from incidents.web.live import render_incidents
from opsknight.models import Team, User
from realtime import topics
from tests.factories import IncidentFactory, ServiceFactory, UserFactory
from tests.incidents.cast import HTMX, browser

LIST = "/incidents/"


def titles(client: Client, **query: str) -> list[str]:
    """The titles on a page of the list, from the top."""
    return [i.title for i in client.get(LIST, query).context["page"].incidents]


# --- Filters --------------------------------------------------------------------------------------


@pytest.fixture
def several(
    bob: User, carol: User, payments: Team, checkout: Service, wiki: Service
) -> dict[str, Incident]:
    """One incident for each filter, oldest first."""
    start = timezone.now() - timedelta(hours=1)
    made: dict[str, dict[str, Any]] = {
        "high": {"service": wiki, "urgency": "high"},
        "low": {"service": wiki, "urgency": "low", "assignee": bob},
        "theirs": {"service": checkout, "urgency": "medium", "status": "acknowledged"},
        "team's": {"service": wiki, "urgency": "medium", "team": payments},
        "done": {"service": wiki, "urgency": "high", "status": "resolved"},
        "slept": {"service": wiki, "urgency": "low", "status": "suppressed"},
    }
    return {
        title: IncidentFactory(
            title=title, created_at=start + timedelta(minutes=number), dedup_key=f"k-{title}", **how
        )
        for number, (title, how) in enumerate(made.items())
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "slept team's theirs low high"),
        ({"status": "triggered"}, "team's low high"),
        ({"status": "acknowledged"}, "theirs"),
        ({"status": "resolved"}, "done"),
        ({"status": "resolved", "resolved": "today"}, "done"),
        ({"status": "all"}, "slept done team's theirs low high"),
        ({"status": "all", "urgency": "high"}, "done high"),
        ({"assignee": "me"}, "low"),
        ({"assignee": "none"}, "slept theirs high"),
        ({"q": "HIGH"}, "high"),
        ({"q": "check"}, "theirs"),  # the service's name
        ({"q": "k-low"}, "low"),  # the key
        ({"q": "nothing like it"}, ""),
        # What cannot be read is no filter.
        ({"status": "x", "urgency": "x", "assignee": "x"}, "slept team's theirs low high"),
        ({"service": "99999999999999999999999"}, "slept team's theirs low high"),
        ({"q": "a\x00"}, "team's"),
    ],
)  # fmt: skip
def test_address_says_what_is_shown(
    bob: User, several: dict[str, Incident], query: dict[str, str], expected: str
) -> None:
    assert titles(browser(bob), **query) == expected.split()


def test_search_finds_a_number(bob: User, several: dict[str, Incident]) -> None:
    assert titles(browser(bob), q=f"#{several['low'].pk}") == ["low"]


def test_team_filter_takes_services_and_assignments(
    carol: User, several: dict[str, Incident]
) -> None:
    assert titles(browser(carol), team="mine") == ["team's", "theirs"]


def test_service_filter(bob: User, several: dict[str, Incident], checkout: Service) -> None:
    assert titles(browser(bob), service=str(checkout.pk)) == ["theirs"]


def test_tabs_keep_the_other_filters_and_count(bob: User, several: dict[str, Incident]) -> None:
    response = browser(bob).get(LIST, {"urgency": "low", "q": "l"})

    tabs = {tab["name"]: tab for tab in response.context["tabs"]}
    assert tabs["resolved"]["query"] == "status=resolved&urgency=low&q=l"
    assert (tabs["open"]["count"], tabs["triggered"]["count"]) == (2, 1)


def test_filtering_by_htmx_shows_an_address_without_empty_filters(
    bob: User, several: dict[str, Incident]
) -> None:
    response = browser(bob).get(
        LIST, {"q": "", "urgency": "low", "team": ""}, headers=HTMX | {"HX-Target": "incidents"}
    )

    assert response["HX-Push-Url"] == "/incidents/?urgency=low"


@pytest.mark.parametrize(
    "query", ["", "status=all", "status=resolved&urgency=low&service=3&team=mine&assignee=me&q=a+b"]
)
def test_filter_writes_the_address_it_was_read_from(rf: RequestFactory, query: str) -> None:
    assert IncidentFilter.parse(rf.get(f"{LIST}?{query}").GET).query() == query


# --- Pages ----------------------------------------------------------------------------------------


def test_pages_meet_without_gap_or_overlap_while_incidents_arrive(db: None, wiki: Service) -> None:
    same = timezone.now()
    made = [IncidentFactory(service=wiki, created_at=same).pk for _ in range(7)]
    first = page_of(Incident.objects.all(), {}, 3)
    IncidentFactory(service=wiki)

    second = page_of(Incident.objects.all(), {"older": first.older}, 3)
    third = page_of(Incident.objects.all(), {"older": second.older}, 3)
    back = page_of(Incident.objects.all(), {"newer": third.newer}, 3)

    shown = [i.pk for p in (first, second, third) for i in p.incidents]
    assert shown == sorted(made, reverse=True)
    assert [i.pk for i in back.incidents] == [i.pk for i in second.incidents]
    assert (first.is_first, first.newer, third.older) == (True, "", "")
    assert back.newer != ""


@pytest.mark.parametrize("cursor", ["x", "-", "1-", "-1", "9" * 25 + "-1", "9999999999999999999-1"])
def test_cursor_that_is_not_ours_means_the_first_page(
    bob: User, typo: Incident, cursor: str
) -> None:
    client = browser(bob)

    assert titles(client, older=cursor) == titles(client, newer=cursor) == [typo.title]


# --- Many at once ---------------------------------------------------------------------------------


def bulk(client: Client, action: str, *incidents: Incident, **headers: str) -> HttpResponse:
    data = {"incident": [i.pk for i in incidents], "action": action, "next": "/incidents/?q=x"}
    return client.post(reverse("incidents:bulk"), data, headers=headers)


def test_bulk_resolves_what_was_ticked_and_leads_back(
    bob: User, outage: Incident, typo: Incident
) -> None:
    response = bulk(browser(bob), "resolve", outage, typo)

    assert response["Location"] == "/incidents/?q=x"
    assert set(Incident.objects.values_list("status", flat=True)) == {"resolved"}


def test_bulk_answers_htmx_with_the_rows_as_they_are_now(
    bob: User, outage: Incident, typo: Incident
) -> None:
    response = bulk(browser(bob), "acknowledge", outage, typo, **HTMX)

    text = response.content.decode()
    assert f"hx-swap-oob=\"outerHTML:[data-live-row='incident:{outage.pk}']\"" in text
    assert text.count("is-acknowledged") == 2
    assert json.loads(response["HX-Trigger"])["toast"]["text"] == "2 acknowledged."


def test_bulk_leaves_alone_what_is_not_the_persons_and_says_so(
    carol: User, outage: Incident, typo: Incident, bob: User
) -> None:
    other = IncidentFactory(service=outage.service)
    acknowledge_incidents(incident_ids=[other.pk], actor=bob)

    response = bulk(browser(carol), "acknowledge", outage, typo, other, **HTMX)

    typo.refresh_from_db()
    assert typo.status == "triggered"
    assert json.loads(response["HX-Trigger"])["toast"]["text"] == (
        "1 acknowledged. 1 was not waiting for it any more. 1 you may see but not change."
    )


def test_bulk_does_not_reach_what_is_out_of_sight(eve: User, outage: Incident) -> None:
    response = bulk(browser(eve), "resolve", outage, **HTMX)

    outage.refresh_from_db()
    assert outage.status == "triggered"
    assert "Nothing was resolved." in json.loads(response["HX-Trigger"])["toast"]["text"]


def test_bulk_without_ticks_says_what_to_do(bob: User, outage: Incident) -> None:
    response = bulk(browser(bob), "resolve", **HTMX)

    assert json.loads(response["HX-Trigger"])["toast"]["text"].startswith("Tick the incidents")


@pytest.mark.parametrize("action", ["", "delete"])
def test_bulk_knows_two_actions(bob: User, outage: Incident, action: str) -> None:
    assert bulk(browser(bob), action, outage).status_code == 400


@pytest.mark.parametrize("ids", [["x"], ["-1"], ["9" * 40], [""]])
def test_bulk_ignores_what_is_no_number(bob: User, outage: Incident, ids: list[str]) -> None:
    response = browser(bob).post(reverse("incidents:bulk"), {"incident": ids, "action": "resolve"})

    outage.refresh_from_db()
    assert response.status_code == 302
    assert outage.status == "triggered"


def test_bulk_does_not_lead_to_another_site(bob: User, outage: Incident) -> None:
    data = {"incident": [outage.pk], "action": "resolve", "next": "https://evil.example/"}

    response = browser(bob).post(reverse("incidents:bulk"), data)

    assert response["Location"] == "/incidents/"


def test_reader_gets_no_ticks(eve: User, typo: Incident) -> None:
    text = browser(eve).get(LIST).content.decode()

    assert "rows--pick" not in text
    assert 'id="bulk"' not in text


# --- Dashboard ------------------------------------------------------------------------------------


def test_counters_count_what_this_person_sees(
    bob: User, carol: User, outage: Incident, secret: Incident, typo: Incident
) -> None:
    acknowledge_incidents(incident_ids=[typo.pk], actor=bob)
    gone = IncidentFactory(service=outage.service)
    resolve_incidents(incident_ids=[gone.pk], actor=bob)
    old = timezone.now() - timedelta(days=3)
    IncidentFactory(service=outage.service, status="resolved", resolved_at=old)

    counted = {
        who.name: [c.value for c in browser(who).get("/").context["counters"]]
        for who in (bob, carol)
    }

    # Triggered, acknowledged, mine, unassigned, resolved today
    assert counted == {"Bob Ray": [1, 1, 1, 1, 1], "Carol Diaz": [2, 1, 0, 2, 1]}


def test_each_counter_leads_to_the_incidents_it_counted(
    bob: User, outage: Incident, typo: Incident
) -> None:
    acknowledge_incidents(incident_ids=[typo.pk], actor=bob)
    gone = IncidentFactory(service=outage.service)
    resolve_incidents(incident_ids=[gone.pk], actor=bob)
    client = browser(bob)

    for counter in client.get("/").context["counters"]:
        shown = client.get(counter.url).context["page"].incidents
        assert len(shown) == counter.value, counter.label


def test_new_installation_teaches_the_next_step(alice: User) -> None:
    text = browser(alice).get("/").content.decode()

    assert "Before the first page can reach somebody" in text
    assert reverse("escalations:policy_new") in text
    assert reverse("incidents:service_new") in text


def test_new_installation_tells_others_whom_to_ask(alice: User, eve: User) -> None:
    text = browser(eve).get("/").content.decode()

    assert "Ask Alice Novak." in text
    assert reverse("incidents:service_new") not in text


def test_first_steps_go_when_alerts_come_in(alice: User, wiki: Service) -> None:
    policy_model = Service._meta.get_field("escalation_policy").related_model
    wiki.escalation_policy = policy_model.objects.create(name="P")
    wiki.save()
    Alert.objects.create(
        service=wiki, action="trigger", dedup_key="k", summary="s", severity="error"
    )

    assert "Before the first page" not in browser(alice).get("/").content.decode()


def test_first_steps_tick_what_is_done(alice: User, wiki: Service) -> None:
    Integration.objects.create(service=wiki, name="Curl", kind="events")

    steps = browser(alice).get("/").context["steps"]

    assert [step.is_done for step in steps] == [False, False, False, True, False]


def test_empty_pages_teach(alice: User) -> None:
    client = browser(alice)

    assert "No open incidents" in client.get("/").content.decode()
    assert "All quiet" in client.get(LIST).content.decode()
    assert "Nothing matches" in client.get(LIST, {"q": "x"}).content.decode()
    assert "Create a service" in client.get("/services/").content.decode()


# --- Live -----------------------------------------------------------------------------------------


def test_changes_of_incidents_reach_open_pages(outage: Incident) -> None:
    (message,) = topics.render("incident", [outage.pk])

    assert message.event == "incident"
    assert message.data["status"] == "triggered"
    assert f'data-live-row="incident:{outage.pk}"' in message.data["row"]


def test_row_of_the_stream_is_the_row_of_the_page(bob: User, outage: Incident) -> None:
    page = browser(bob).get(LIST).content.decode()

    (message,) = render_incidents([outage.pk])

    row = message.data["row"].strip()
    # Ages may differ by a minute between the two renderings.
    assert row.split("<time")[0].split("#}")[-1].strip() in page


def test_private_incident_is_heard_by_its_team_alone(secret: Incident, payments: Team) -> None:
    (message,) = render_incidents([secret.pk])

    assert message.channels == (f"team-{payments.pk}",)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ""),
        ({"urgency": "low"}, '{"urgency": ["low"]}'),
        ({"assignee": "none"}, '{"assignee": [""], "team": [""]}'),
    ],
)
def test_list_says_which_new_rows_belong_to_it(
    bob: User, query: dict[str, str], expected: str
) -> None:
    assert browser(bob).get(LIST, query).context["live_where"] == expected


@pytest.mark.parametrize("query", [{"q": "x"}, {"older": "1000000-1"}])
def test_list_that_cannot_judge_new_rows_does_not_take_them(
    bob: User, query: dict[str, str]
) -> None:
    assert "data-live-list" not in browser(bob).get(LIST, query).content.decode()


# --- Queries --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("/", 5),  # session, user, counters, incidents, is there an alert
        (LIST, 5),  # session, user, page, counts, services
        ("/services/", 4),  # session, user, services, which of them are in maintenance
        ("/dashboard/counters/", 3),
    ],
)
def test_lists_cost_the_same_with_one_row_and_with_ten(
    bob: User, path: str, queries: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    policy_model = Service._meta.get_field("escalation_policy").related_model
    policy = policy_model.objects.create(name="P")
    service = ServiceFactory(escalation_policy=policy)
    Alert.objects.create(
        service=service, action="trigger", dedup_key="k", summary="s", severity="error"
    )
    IncidentFactory(service=service)
    client = browser(bob)
    client.get(path)
    cache.clear()

    with django_assert_num_queries(queries):
        client.get(path)

    for _ in range(9):
        IncidentFactory(assignee=UserFactory(), service=ServiceFactory(escalation_policy=policy))
    with django_assert_num_queries(queries):
        client.get(path)
