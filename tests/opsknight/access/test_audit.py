"""What the audit log keeps, and what it must not."""

import pytest

from incidents.models import Integration, Service
from notifications.models import ContactMethod
from opsknight.models import AuditEntry, User
from opsknight.services.audit import MASK, changes_of, record_change, record_event, values_of
from tests.factories import ContactMethodFactory, ServiceFactory, TeamFactory

pytestmark = pytest.mark.django_db


def test_a_change_keeps_what_and_who(alice: User) -> None:
    service = ServiceFactory(name="Checkout")

    record_change(
        actor=alice,
        action="service.updated",
        entity=service,
        changes={"name": ["Shop", "Checkout"]},
        ip="2001:db8::1",
    )

    entry = AuditEntry.objects.get()
    assert (entry.entity_type, entry.entity_id) == ("incidents.service", str(service.pk))
    assert (entry.actor_label, entry.entity_label) == ("Alice <alice@example.com>", "Checkout")
    assert (entry.changes, entry.ip) == ({"name": ["Shop", "Checkout"]}, "2001:db8::1")


def test_the_system_has_no_name(db: None) -> None:
    entry = record_event(actor=None, action="login.failed", label="x" * 1000)

    assert (entry.actor, entry.actor_label) == (None, "")
    assert len(entry.entity_label) == 320


def test_differences_name_what_a_key_points_to(db: None) -> None:
    service = ServiceFactory(name="Checkout", team=TeamFactory(name="Payments"))
    before = values_of(service, ("name", "team", "description"))
    service.team = TeamFactory(name="Platform")

    changes = changes_of(before, service, ("name", "team", "description"))

    assert changes == {"team": ["Payments", "Platform"]}


def test_something_new_has_no_before(db: None) -> None:
    service = Service(name="Checkout")

    assert changes_of(None, service, ("name", "description", "team")) == {
        "name": [None, "Checkout"]
    }


def test_secrets_are_masked(db: None) -> None:
    method: ContactMethod = ContactMethodFactory(channel="webhook", secret="old-secret")
    before = values_of(method, ("secret",))
    method.secret = "new-secret"
    integration = Integration(service=ServiceFactory(), name="Prod", kind="events")

    changes = changes_of(before, method, ("secret",)) | changes_of(None, integration, ("key",))

    assert changes == {"secret": [MASK, MASK], "key": [None, MASK]}
