"""The deliveries of an integration: list, search, detail, replay."""

import itertools
import json
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents import delivery_search
from incidents.models import Delivery, Incident, Integration, Service
from incidents.models.delivery import first_id_at, new_delivery_id
from opsknight.models import AuditEntry, User
from tests.factories import IncidentFactory, IntegrationFactory
from tests.incidents.cast import browser
from tests.incidents.doors import Door, knock

__all__ = ["knock"]

TRIGGER = {"title": "Disk full", "id": "disk-db-1"}
START = datetime.now(UTC)
count = itertools.count()


@pytest.fixture
def hook(checkout: Service) -> Integration:
    """A generic webhook of Checkout."""
    return IntegrationFactory(service=checkout, name="Scripts", kind="webhook")


def deliver(integration: Integration, body: Any = None, **values: Any) -> Delivery:
    """A recorded delivery, as the committer would have written it."""
    raw = body if isinstance(body, bytes) else json.dumps(body or TRIGGER).encode()
    # One each millisecond: ids of the same millisecond have no order.
    given: dict[str, Any] = {
        "id": first_id_at(START + timedelta(milliseconds=next(count))),
        "kind": integration.kind,
        "verdict": "accepted",
        "body": raw,
    }
    return Delivery.objects.create(integration=integration, **given | values)


def leading_to(incident: Incident) -> dict[str, Any]:
    result = {"action": "triggered", "dedup_key": "disk-db-1", "incident": incident.pk}
    return {"results": [result]}


def list_of(user: User, integration: Integration, **query: str) -> str:
    address = reverse("incidents:deliveries", args=[integration.pk])
    return str(browser(user).get(address, query).content.decode())


def page_of(user: User, delivery: Delivery) -> Any:
    address = reverse("incidents:delivery", args=[delivery.integration_id, delivery.pk])
    return browser(user).get(address)


def shown_ids(text: str) -> list[str]:
    """The deliveries that a list shows, in its order."""
    parts = text.split('scope="row"><a href="')[1:]
    return [part.partition('"')[0].rstrip("/").rpartition("/")[2] for part in parts]


# --- Who may see what ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["deliveries", "deliveries_replay", "simulator"])
def test_stranger_finds_no_pages_of_an_integration(eve: User, hook: Integration, name: str) -> None:
    address = reverse(f"incidents:{name}", args=[hook.pk])

    assert browser(eve).get(address).status_code == 404
    assert browser(eve).post(address).status_code in (404, 405)


@pytest.mark.parametrize("name", ["delivery", "delivery_body", "delivery_replay"])
def test_stranger_finds_no_delivery(eve: User, hook: Integration, name: str) -> None:
    address = reverse(f"incidents:{name}", args=[hook.pk, deliver(hook).pk])

    assert browser(eve).get(address).status_code == 404
    assert browser(eve).post(address).status_code in (404, 405)
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("name", ["delivery", "delivery_body", "delivery_replay"])
def test_delivery_of_another_integration_is_not_found(
    carol: User, hook: Integration, checkout: Service, name: str
) -> None:
    other = IntegrationFactory(service=checkout)

    address = reverse(f"incidents:{name}", args=[other.pk, deliver(hook).pk])

    assert browser(carol).get(address).status_code == 404


def test_unknown_delivery_is_not_found(carol: User, hook: Integration) -> None:
    address = reverse("incidents:delivery", args=[hook.pk, uuid4()])

    assert browser(carol).get(address).status_code == 404


def test_private_incident_hides_what_brought_it(
    bob: User, hook: Integration, secret: Incident
) -> None:
    delivery = deliver(hook, {"title": secret.title}, **leading_to(secret), reason="Card data")
    body = reverse("incidents:delivery_body", args=[hook.pk, delivery.pk])
    replay = reverse("incidents:delivery_replay", args=[hook.pk, delivery.pk])
    simulator = reverse("incidents:simulator", args=[hook.pk])
    client = browser(bob)

    texts = [
        list_of(bob, hook),
        page_of(bob, delivery).content.decode(),
        client.get(replay).content.decode(),
    ]

    assert not [text for text in texts if "Card data" in text or "disk-db-1" in text]
    assert client.get(body).status_code == 404
    assert client.get(simulator, {"delivery": str(delivery.pk)}).status_code == 404


def test_delivery_of_a_private_incident_is_not_replayed_into_a_public_one(
    knock: Door, bob: User, hook: Integration, secret: Incident
) -> None:
    delivery = deliver(hook, {"title": secret.title}, **leading_to(secret))
    Incident.objects.filter(pk=secret.pk).update(status="resolved", resolved_at=START)

    address = reverse("incidents:delivery_replay", args=[hook.pk, delivery.pk])

    assert browser(bob).get(address).status_code == 404
    assert browser(bob).post(address).status_code == 404
    assert "/replay/" not in page_of(bob, delivery).content.decode()
    assert Delivery.objects.count() == 1


def test_private_incident_is_not_found_by_a_search(
    bob: User, carol: User, hook: Integration, secret: Incident
) -> None:
    delivery = deliver(hook, {"title": secret.title}, **leading_to(secret))

    assert shown_ids(list_of(bob, hook, q="Card data")) == []
    assert shown_ids(list_of(bob, hook, q=f"#{secret.pk}")) == []
    assert shown_ids(list_of(carol, hook, q="Card data")) == [str(delivery.pk)]


def test_its_own_team_sees_what_brought_a_private_incident(
    carol: User, hook: Integration, secret: Incident
) -> None:
    delivery = deliver(hook, {"title": secret.title}, **leading_to(secret))

    text = page_of(carol, delivery).content.decode()

    assert f"#{secret.pk} Card data leaked" in text


def test_private_incident_is_not_offered_to_try_rules_on(
    bob: User, carol: User, hook: Integration, secret: Incident
) -> None:
    delivery = deliver(hook, {"title": secret.title}, **leading_to(secret))
    address = reverse("incidents:rules_preview", args=[hook.pk])
    chosen = {"source": f"delivery-{delivery.pk}"}

    outside = browser(bob).post(address, chosen).content.decode()
    inside = browser(carol).post(address, chosen).content.decode()

    assert "Card data" not in outside
    assert "Card data" in inside


def test_body_that_indenting_would_blow_up_is_shown_as_it_came(
    carol: User, hook: Integration
) -> None:
    deep = b"[" * 900 + b"1," * 40_000 + b"1" + b"]" * 900
    delivery = deliver(hook, deep)
    began = time.process_time()

    text = page_of(carol, delivery).content.decode()

    assert deep[:40_000].decode() in text
    assert time.process_time() - began < 1


# --- The list -----------------------------------------------------------------------------------


def test_list_is_newest_first_and_tells_what_became_of_each(
    carol: User, hook: Integration, outage: Incident
) -> None:
    first = deliver(hook, **leading_to(outage))
    second = deliver(hook, verdict="invalid", reason="The body is not valid JSON.")

    text = list_of(carol, hook)

    assert shown_ids(text) == [str(second.pk), str(first.pk)]
    assert f"#{outage.pk} Checkout is down" in text
    assert "The body is not valid JSON." in text


def test_empty_list_teaches_the_next_step(carol: User, hook: Integration) -> None:
    text = list_of(carol, hook)

    assert reverse("incidents:simulator", args=[hook.pk]) in text


def test_list_shows_only_its_own_integration(
    carol: User, hook: Integration, checkout: Service
) -> None:
    deliver(IntegrationFactory(service=checkout))

    assert shown_ids(list_of(carol, hook)) == []


@pytest.mark.parametrize("via_newer", [False, True])
def test_pages_of_the_list_follow_each_other(
    carol: User, hook: Integration, via_newer: bool
) -> None:
    all_ids = [str(deliver(hook).pk) for _ in range(120)][::-1]
    client = browser(carol)
    seen, address = [], reverse("incidents:deliveries", args=[hook.pk])

    for _ in range(3):
        text = client.get(address).content.decode()
        seen += shown_ids(text)
        following = text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
        address = address.partition("?")[0] + following.replace("&amp;", "&")
    before = text.partition('rel="prev"')[0].rpartition('href="')[2].partition('"')[0]

    if via_newer:
        back = client.get(address.partition("?")[0] + before).content.decode()
        assert shown_ids(back) == all_ids[50:100]
    else:
        assert seen == all_ids


@pytest.mark.parametrize("query", [{"older": "x"}, {"newer": "0" * 50}, {"since": "yesterday"},
                                   {"verdict": "nice"}, {"until": "9999-99-99"}])  # fmt: skip
def test_nonsense_in_the_address_means_no_filter(
    carol: User, hook: Integration, query: dict[str, str]
) -> None:
    delivery = deliver(hook)

    assert shown_ids(list_of(carol, hook, **query)) == [str(delivery.pk)]


def test_list_costs_as_many_queries_for_ten_as_for_one(
    carol: User, hook: Integration, outage: Incident
) -> None:
    client, address = browser(carol), reverse("incidents:deliveries", args=[hook.pk])
    deliver(hook, **leading_to(outage))
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    for number in range(9):
        deliver(hook, **leading_to(IncidentFactory(service=hook.service, title=f"No {number}")))

    with CaptureQueriesContext(connection) as many:
        client.get(address)

    assert len(many) == len(few)
    assert not [q for q in many.captured_queries if '"incidents_delivery"."body"' in q["sql"]]


# --- Search -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"title": "Disk full on DB-7"}', "db-7"),  # whatever its case
        ('{"title": "Schöne Grüße"}'.encode(), "Grüße"),
        (b'{"title": "Sch\\u00f6ne Gr\\u00fc\\u00dfe"}', "Grüße"),  # as many senders write it
        (b'{"path": "C:\\\\Temp\\\\x"}', "C:\\Temp"),
        (b'{"text": "say \\"hello\\""}', 'say "hello"'),
        (b"monitor=Shop+front&state=down", "Shop front"),  # a form
        (b"\xff\xfe broken \x00 bytes", "broken"),
        (b"100% sure_thing", "100% sure_"),  # no wildcards
    ],
)
def test_text_is_found_in_bodies(carol: User, hook: Integration, body: bytes, text: str) -> None:
    deliver(hook, b'{"title": "Something else, 100x surething"}')
    wanted = deliver(hook, body)

    assert shown_ids(list_of(carol, hook, q=text)) == [str(wanted.pk)]


def test_incident_and_key_and_reason_and_id_are_found(
    carol: User, hook: Integration, outage: Incident
) -> None:
    deliver(hook)
    wanted = deliver(
        hook,
        {"x": 1},
        results=[{"action": "triggered", "dedup_key": "Ärger-1", "incident": outage.pk}],
        reason="The rule “title” failed.",
    )

    for text in (f"#{outage.pk}", "Ärger-1", "rule “title”", str(wanted.pk)):
        assert shown_ids(list_of(carol, hook, q=text)) == [str(wanted.pk)], text


def test_verdict_and_time_narrow_the_list(carol: User, hook: Integration) -> None:
    now = datetime.now(UTC)
    old = deliver(hook, id=first_id_at(now - timedelta(days=2)), verdict="invalid")
    new = deliver(hook, verdict="invalid")
    deliver(hook)
    yesterday = f"{now - timedelta(days=1):%Y-%m-%dT%H:%M}"

    assert shown_ids(list_of(carol, hook, verdict="invalid")) == [str(new.pk), str(old.pk)]
    assert shown_ids(list_of(carol, hook, verdict="invalid", since=yesterday)) == [str(new.pk)]
    assert shown_ids(list_of(carol, hook, until=yesterday)) == [str(old.pk)]


def test_time_of_an_id_is_the_smallest_of_its_millisecond() -> None:
    before, delivery_id, after = datetime.now(UTC), new_delivery_id(), datetime.now(UTC)

    assert first_id_at(before) <= delivery_id <= first_id_at(after + timedelta(milliseconds=1))


def test_search_that_takes_too_long_says_how_to_narrow_it(
    carol: User, hook: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(20):
        deliver(hook, random.randbytes(200_000))
    monkeypatch.setattr(delivery_search, "MAX_SECONDS", 0.001)
    address = reverse("incidents:deliveries", args=[hook.pk])

    answer = browser(carol).get(address, {"q": "needle"})

    assert answer.status_code == 409
    assert "Choose a verdict or a time" in answer.content.decode()


# --- One delivery -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "shown"),
    [
        (b'{"a":{"b":1}}', {}, "&quot;b&quot;: 1"),
        (b"a=1&b=two+words", {"content-type": "application/x-www-form-urlencoded"}, "two words"),
        (b"plain <b>text</b>", {}, "plain &lt;b&gt;text"),
        (b"\xff\xfe\x00\x01", {}, "000000  ff fe 00 01"),
        (b"", {}, "The body is empty."),
        (b"[" * 100_000, {}, "only the beginning is shown"),
    ],
)
def test_body_is_shown_readable(
    carol: User, hook: Integration, body: bytes, headers: dict[str, str], shown: str
) -> None:
    delivery = deliver(hook, verdict="invalid", headers=headers)
    Delivery.objects.update(body=body)

    assert shown in page_of(carol, delivery).content.decode()


def test_body_is_downloaded_as_it_came(carol: User, hook: Integration) -> None:
    delivery = deliver(hook, b"<script>\xff</script>")

    answer = browser(carol).get(reverse("incidents:delivery_body", args=[hook.pk, delivery.pk]))

    assert answer.content == b"<script>\xff</script>"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")


def test_delivery_without_events_is_shown(carol: User, hook: Integration) -> None:
    delivery = deliver(hook, kind="a-kind-that-is-gone", results=[None, "odd", {"incident": "x"}])

    assert page_of(carol, delivery).status_code == 200


# --- Replay -------------------------------------------------------------------------------------


def post_replay(user: User, delivery: Delivery) -> Any:
    address = reverse("incidents:delivery_replay", args=[delivery.integration_id, delivery.pk])
    return browser(user).post(address, follow=True)


def test_replay_asks_before_it_opens_an_incident(carol: User, hook: Integration) -> None:
    delivery = deliver(hook)
    address = reverse("incidents:delivery_replay", args=[hook.pk, delivery.pk])

    detail, question = page_of(carol, delivery), browser(carol).get(address).content.decode()

    assert detail.context["opens"] == 1
    assert "Opens an incident" in question
    assert not Incident.objects.exists()


def test_replay_that_opens_nothing_does_not_ask(carol: User, hook: Integration) -> None:
    delivery = deliver(hook, {"id": "disk-db-1", "status": "resolved"})

    assert page_of(carol, delivery).context["opens"] == 0


def test_replay_is_a_new_delivery_and_audited(knock: Door, carol: User, hook: Integration) -> None:
    delivery = deliver(hook, verdict="invalid", reason="Our parser broke on this.")

    text = post_replay(carol, delivery).content.decode()

    again = Delivery.objects.exclude(pk=delivery.pk).get()
    assert (again.via, again.replay_of, again.verdict) == ("replay", delivery.pk, "accepted")
    assert bytes(again.body) == bytes(delivery.body)
    assert Incident.objects.get().title == "Disk full"
    assert AuditEntry.objects.filter(action="delivery.replayed", actor=carol).count() == 1
    assert "Replayed: accepted." in text
    assert str(delivery.pk) in text
    assert str(again.pk) in page_of(carol, delivery).content.decode()


def test_replay_to_a_disabled_integration_is_refused(
    knock: Door, carol: User, hook: Integration
) -> None:
    delivery = deliver(hook)
    Integration.objects.update(enabled=False)

    assert post_replay(carol, delivery).status_code == 409
    assert not Incident.objects.exists()


def test_replay_of_what_came_through_the_door_joins_its_incident(
    knock: Door, carol: User, hook: Integration
) -> None:
    knock.post(f"/api/integrations/webhook/{hook.key}", TRIGGER, x_api_key="of no use here")
    delivery = Delivery.objects.get()

    post_replay(carol, delivery)

    assert Incident.objects.get().alert_count == 2
    assert hook.key not in str(delivery.headers)
    assert "of no use here" not in page_of(carol, delivery).content.decode()


def test_failed_ones_are_replayed_together_and_once(
    knock: Door, carol: User, hook: Integration
) -> None:
    for number in range(3):
        deliver(hook, {"title": "Was broken", "id": str(number)}, verdict="invalid")
    deliver(hook, {"title": "Was fine", "id": "fine"})
    hopeless = deliver(hook, b"{", verdict="invalid")
    address = reverse("incidents:deliveries_replay", args=[hook.pk])
    client = browser(carol)

    question = client.get(address)
    text = client.post(address, follow=True).content.decode()
    client.post(address)

    assert question.context["count"] == 4
    assert "Replayed 4: 3 accepted, 1 not understood." in text
    assert sorted(Incident.objects.values_list("dedup_key", flat=True)) == ["0", "1", "2"]
    # The mended ones are not replayed again, and replays are not replayed.
    assert Delivery.objects.filter(via="replay").count() == 5
    assert Delivery.objects.filter(replay_of=hopeless.pk).count() == 2
    assert AuditEntry.objects.filter(action="integration.replayed").count() == 2


def test_at_most_a_hundred_are_replayed_at_once_oldest_first(
    knock: Door, carol: User, hook: Integration
) -> None:
    made = [deliver(hook, b"{", verdict="invalid").pk for _ in range(103)]
    address = reverse("incidents:deliveries_replay", args=[hook.pk])

    browser(carol).post(address)

    replayed = Delivery.objects.filter(via="replay").values_list("replay_of", flat=True)
    assert sorted(pk for pk in replayed if pk) == sorted(made)[:100]


def test_only_what_came_in_the_chosen_time_is_replayed(
    knock: Door, carol: User, hook: Integration
) -> None:
    now = datetime.now(UTC)
    old = deliver(hook, b"{", verdict="invalid", id=first_id_at(now - timedelta(days=2)))
    new = deliver(hook, b"{", verdict="invalid")
    address = reverse("incidents:deliveries_replay", args=[hook.pk])

    browser(carol).post(address, {"since": f"{now - timedelta(days=1):%Y-%m-%dT%H:%M}"})

    replayed = set(Delivery.objects.filter(via="replay").values_list("replay_of", flat=True))
    assert replayed == {new.pk}
    assert old.pk not in replayed


def test_replay_stops_where_the_door_would_refuse(
    knock: Door, carol: User, hook: Integration
) -> None:
    Integration.objects.update(rate_limit=2)
    for _ in range(4):
        deliver(hook, b"{", verdict="invalid")

    text = (
        browser(carol)
        .post(reverse("incidents:deliveries_replay", args=[hook.pk]), follow=True)
        .content.decode()
    )

    assert "Replayed 2: 2 not understood. 2 are left:" in text


@pytest.mark.parametrize("is_kept", [True, False])
def test_alert_of_an_incident_leads_to_its_delivery_while_that_is_kept(
    knock: Door, carol: User, hook: Integration, is_kept: bool
) -> None:
    knock.post(f"/api/integrations/webhook/{hook.key}", TRIGGER)
    delivery, incident = Delivery.objects.get(), Incident.objects.get()
    address = reverse("incidents:delivery", args=[hook.pk, delivery.pk])
    if not is_kept:
        delivery.delete()

    text = browser(carol).get(reverse("incidents:detail", args=[incident.pk])).content.decode()

    assert (address in text) is is_kept


def test_alert_does_not_lead_a_reader_to_its_delivery(
    knock: Door, eve: User, wiki: Service
) -> None:
    hook = IntegrationFactory(service=wiki, kind="webhook")
    knock.post(f"/api/integrations/webhook/{hook.key}", TRIGGER)
    address = reverse("incidents:detail", args=[Incident.objects.get().pk])

    text = browser(eve).get(address).content.decode()

    assert "Disk full" in text
    assert f"/integrations/{hook.pk}/" not in text
