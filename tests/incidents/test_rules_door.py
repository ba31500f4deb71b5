"""Rules at work behind the real door: who is paged, what is kept, what the timeline says."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from escalations.models import EscalationPolicy
from escalations.plan import plan_of
from escalations.services.deletion import delete_policy
from incidents.intake import door
from incidents.intake.events import Event
from incidents.intake.keyring import Keyring
from incidents.intake.rules import RouteText, Routing, RuleTexts
from incidents.models import Delivery, Incident, Integration, Service, TimelineEntry
from incidents.services.catalog import update_service
from incidents.services.intake import receive_events
from incidents.services.received import Received
from incidents.services.rules import rules_of, save_rules
from opsknight.errors import Conflict, InvalidInput, NotFound
from opsknight.models import User
from tests.escalations.walk import paged, policy_of, said, take_all
from tests.factories import IncidentFactory, IntegrationFactory, ServiceFactory, UserFactory
from tests.incidents.cast import browser
from tests.incidents.doors import Door, knock

__all__ = ["knock"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people(transactional_db: None) -> tuple[User, User]:
    """Whom the service's policy pages, and whom the route's."""
    return UserFactory(name="Sara"), UserFactory(name="Dora")


@pytest.fixture
def dba(people: tuple[User, User]) -> EscalationPolicy:
    return policy_of((0, [people[1]]), name="Database people")


@pytest.fixture
def webhook(people: tuple[User, User]) -> Integration:
    service = ServiceFactory(name="Checkout", escalation_policy=policy_of((0, [people[0]])))
    return IntegrationFactory(service=service, kind="webhook", name="Curl")


def with_rules(integration: Integration, *routes: RouteText, **templates: str) -> None:
    texts = RuleTexts(routes=routes, **templates)
    save_rules(integration=integration, texts=texts, shown=None, actor=None)


def send(knock: Door, integration: Integration, **body: Any) -> Incident | None:
    """Post one alert; the incident it is in now."""
    response = knock.post(f"/api/integrations/webhook/{integration.key}", body)
    assert response.status_code == 202, response.text
    return Incident.objects.order_by("-id").first()


def database_route(policy: EscalationPolicy | None, **effects: Any) -> RouteText:
    values: dict[str, Any] = {"urgency": "", "priority": "", "is_suppressed": False} | effects
    condition = "event.source|startswith('db-')"
    return RouteText("Databases", condition, policy.pk if policy else None, **values)


def test_route_pages_the_people_of_its_policy(
    knock: Door, webhook: Integration, dba: EscalationPolicy
) -> None:
    with_rules(webhook, database_route(dba, urgency="low", priority="P2"))

    incident = send(knock, webhook, summary="Disk full", source="db-1")
    take_all(timezone.now())

    assert incident is not None
    assert paged(incident) == ["Dora"]
    assert (incident.escalation_policy_id, incident.urgency, incident.priority) == (
        dba.pk, "low", "P2",
    )  # fmt: skip
    assert said(incident, TimelineEntry.Kind.ROUTED) == [
        "Route “Databases”: escalation policy Database people, urgency low, priority P2"
    ]


def test_plan_on_the_page_is_that_of_the_route(
    knock: Door, webhook: Integration, dba: EscalationPolicy
) -> None:
    with_rules(webhook, database_route(dba))

    incident = send(knock, webhook, summary="Disk full", source="db-1")

    assert incident is not None
    assert plan_of(incident, now=timezone.now()).policy_name == "Database people"
    take_all(timezone.now())
    incident.refresh_from_db()
    assert plan_of(incident, now=timezone.now()).policy_name == "Database people"


def test_what_no_route_takes_pages_the_people_of_the_service(
    knock: Door, webhook: Integration, dba: EscalationPolicy
) -> None:
    with_rules(webhook, database_route(dba))

    incident = send(knock, webhook, summary="Slow", source="web-1")
    take_all(timezone.now())

    assert incident is not None
    assert paged(incident) == ["Sara"]
    assert said(incident, TimelineEntry.Kind.ROUTED) == []


def test_suppressed_alert_is_recorded_and_pages_nobody(knock: Door, webhook: Integration) -> None:
    with_rules(webhook, database_route(None, is_suppressed=True))

    incident = send(knock, webhook, summary="Disk full", source="db-1")
    take_all(timezone.now() + timedelta(hours=1))

    assert incident is not None
    assert (incident.status, incident.escalate_at) == ("suppressed", None)
    assert incident.alerts.count() == 1
    assert paged(incident) == []
    assert "Route “Databases”: suppressed, pages nobody" in said(incident)


def test_resolve_ends_a_suppressed_incident(knock: Door, webhook: Integration) -> None:
    with_rules(webhook, database_route(None, is_suppressed=True))
    send(knock, webhook, summary="Disk full", source="db-1", id="d")

    incident = send(knock, webhook, summary="Disk full", source="db-1", id="d", status="resolved")

    assert incident is not None
    assert incident.status == "resolved"


def test_alert_that_joins_changes_nothing_of_an_open_incident(
    knock: Door, webhook: Integration, dba: EscalationPolicy
) -> None:
    send(knock, webhook, summary="Disk full", source="db-1", id="d")
    with_rules(webhook, database_route(dba, urgency="low", is_suppressed=True))
    door.keyring = Keyring()  # which remembers keys for ten seconds

    incident = send(knock, webhook, summary="Disk full", source="db-1", id="d")

    assert incident is not None
    assert incident.alert_count == 2
    assert (incident.status, incident.urgency, incident.escalation_policy_id) == (
        "triggered", "high", None,
    )  # fmt: skip


def test_resolve_when_ends_the_incident(knock: Door, webhook: Integration) -> None:
    with_rules(webhook, resolve_when="payload.percent < 80", dedup_key="disk of {{ event.source }}")
    send(knock, webhook, summary="Disk 97 %", source="db-1", percent=97)

    incident = send(knock, webhook, summary="Disk 50 %", source="db-1", percent=50)

    assert incident is not None
    assert (incident.dedup_key, incident.status) == ("disk of db-1", "resolved")


def test_title_and_urgency_are_rendered(knock: Door, webhook: Integration) -> None:
    with_rules(webhook, title="{{ host }}: {{ event.summary }}", urgency="{{ payload.level }}")

    incident = send(knock, webhook, summary="Disk full", host="db-1", level="info")

    assert incident is not None
    assert (incident.title, incident.urgency) == ("db-1: Disk full", "low")


def test_broken_rule_keeps_the_alert_and_its_delivery_names_it(
    knock: Door, webhook: Integration
) -> None:
    with_rules(webhook, title="{{ payload.a / payload.b }}", urgency="{{ payload.level }}")

    incident = send(knock, webhook, summary="Disk full", a=1, b=0, level="bananas")

    assert incident is not None
    assert (incident.title, incident.status) == ("Disk full", "triggered")
    delivery = Delivery.objects.get()
    assert delivery.verdict == "accepted"
    assert "title: A number is divided by zero." in delivery.reason
    assert "urgency: “bananas” is none of high, medium, low." in delivery.reason


def test_unreadable_rule_in_the_database_loses_nothing(knock: Door, webhook: Integration) -> None:
    with_rules(webhook, title="{{ event.source }}")
    webhook.template.title = "{{ broken"  # written by an older version
    webhook.template.save(update_fields=["title"])

    incident = send(knock, webhook, summary="Disk full")

    assert incident is not None
    assert incident.title == "Disk full"
    assert "title: Line 1" in Delivery.objects.get().reason


def test_deleted_policy_of_a_route_that_is_still_known_leaves_the_services(
    webhook: Integration, dba: EscalationPolicy
) -> None:
    routing = Routing("Databases", dba.pk, urgency="low")
    dba.delete()
    event = Event(action="trigger", dedup_key="d", summary="Disk full")
    received = Received(event, webhook.service_id, webhook.pk, "Curl", routing=routing)

    [outcome] = receive_events([received]).outcomes

    assert outcome.track is not None
    incident = Incident.objects.get(pk=outcome.track.id)
    take_all(timezone.now())
    assert paged(incident) == ["Sara"]
    assert "its escalation policy was deleted, the service's is used" in " ".join(said(incident))


def test_many_routed_events_cost_no_more_statements(
    webhook: Integration, dba: EscalationPolicy
) -> None:
    def statements(count: int, prefix: str) -> int:
        received = [
            Received(
                Event(action="trigger", dedup_key=f"{prefix}{number}", summary="Disk full"),
                webhook.service_id,
                webhook.pk,
                "Curl",
                routing=Routing("Databases", dba.pk, urgency="low"),
            )
            for number in range(count)
        ]
        with CaptureQueriesContext(connection) as captured:
            receive_events(received)
        return len(captured)

    assert statements(1, "a") == statements(30, "b")


def test_routed_incident_stays_with_its_policy_when_the_service_moves(
    knock: Door, webhook: Integration, dba: EscalationPolicy
) -> None:
    with_rules(webhook, database_route(dba))
    routed = send(knock, webhook, summary="Disk full", source="db-1")
    other = send(knock, webhook, summary="Slow", source="web-1")
    take_all(timezone.now())
    service = Service.objects.get()

    update_service(
        service=service,
        values={"escalation_policy": policy_of((0, [UserFactory(name="Nora")]))},
        actor=None,
    )
    take_all(timezone.now() + timedelta(seconds=1))

    assert routed is not None
    assert other is not None
    assert paged(routed) == ["Dora"]
    assert paged(other) == ["Sara", "Nora"]


# The services behind the page


def test_version_of_another_editor_is_a_conflict(webhook: Integration) -> None:
    with_rules(webhook, title="A")

    with pytest.raises(Conflict, match="Somebody changed these rules meanwhile"):
        save_rules(integration=webhook, texts=RuleTexts(title="B"), shown="old", actor=None)

    assert rules_of(webhook).title == "A"


def test_rules_of_a_deleted_integration_are_not_saved(webhook: Integration) -> None:
    gone = Integration.objects.get(pk=webhook.pk)
    webhook.delete()

    with pytest.raises(NotFound, match="deleted meanwhile"):
        save_rules(integration=gone, texts=RuleTexts(title="B"), shown=None, actor=None)


def test_route_after_one_that_always_matches_is_never_reached(webhook: Integration) -> None:
    routes = (
        RouteText("All", "", None, "low", "", False),
        RouteText("Late", "true", None, "", "", False),
    )

    with pytest.raises(InvalidInput) as refused:
        with_rules(webhook, *routes)

    [reason] = refused.value.fields["routes.1.condition"]
    assert reason.startswith("This route is never reached: “All” before it always matches.")


def test_every_mistake_is_named(webhook: Integration) -> None:
    texts = RuleTexts(
        title="{{",
        routes=(RouteText("", "a b", 999, "huge", "P9", False),) * 2,
    )

    with pytest.raises(InvalidInput) as refused:
        save_rules(integration=webhook, texts=texts, shown=None, actor=None)

    parts = ("condition", "name", "escalation_policy", "urgency", "priority")
    assert set(refused.value.fields) == {
        "title", *(f"routes.{place}.{part}" for place in (0, 1) for part in parts)
    }  # fmt: skip


def test_too_many_routes_are_refused(webhook: Integration) -> None:
    with pytest.raises(InvalidInput, match="at most 50 routes"):
        with_rules(webhook, *[RouteText("A", "true", None, "", "", False)] * 51)


# Policies in use


def test_policy_of_a_route_or_an_open_incident_is_not_deleted(
    webhook: Integration, dba: EscalationPolicy
) -> None:
    incident = IncidentFactory(service=webhook.service, escalation_policy=dba)
    with_rules(webhook, database_route(dba))

    with pytest.raises(Conflict) as refused:
        delete_policy(policy=dba)

    assert "the route “Databases” of Curl (Checkout)" in refused.value.message
    assert f"the open incident #{incident.pk}" in refused.value.message


def test_page_of_a_policy_names_the_routes_that_choose_it(
    webhook: Integration, dba: EscalationPolicy
) -> None:
    with_rules(webhook, database_route(dba))

    page = (
        browser(UserFactory(role=User.Role.RESPONDER)).get(f"/policies/{dba.pk}/").content.decode()
    )

    assert "the route “Databases” of Curl (Checkout)" in page


def test_admin_names_the_routes_because_of_which_a_policy_stays(
    webhook: Integration, dba: EscalationPolicy
) -> None:
    with_rules(webhook, database_route(dba))
    address = reverse("admin:escalations_escalationpolicy_delete", args=[dba.pk])

    page = browser(UserFactory(role=User.Role.ADMIN)).get(address).content.decode()

    assert "The route “Databases” of Curl (Checkout)" in page


def test_policy_of_past_incidents_is_deleted(webhook: Integration, dba: EscalationPolicy) -> None:
    past = IncidentFactory(
        service=webhook.service,
        escalation_policy=dba,
        status="resolved",
        resolved_at=timezone.now(),
    )

    delete_policy(policy=dba)

    past.refresh_from_db()
    assert past.escalation_policy is None
