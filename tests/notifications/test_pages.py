"""Sandbox, notices, contact methods and the deliveries of an incident: who sees and does what."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from incidents.models import Incident
from notifications.models import ContactMethod, Notification, NotificationRule, SandboxMessage
from notifications.services.delivery import deliver_due
from notifications.web.live import render_notices
from opsknight.models import AuditEntry, User
from realtime.topics import LiveMessage
from tests.factories import (
    ContactMethodFactory,
    IncidentFactory,
    NotificationFactory,
    NotificationRuleFactory,
)
from tests.incidents.cast import browser

pytestmark = pytest.mark.django_db


def kept_message(incident: Incident, user: User) -> SandboxMessage:
    page = NotificationFactory(incident=incident, user=user)
    deliver_due(channel="email")
    return SandboxMessage.objects.get(notification=page)


def notice(incident: Incident, user: User, cause: str = "step:0:0:0") -> Notification:
    return NotificationFactory(
        incident=incident,
        user=user,
        channel="in_app",
        address="",
        cause=cause,
        state=Notification.State.DELIVERED,
        finished_at=timezone.now(),
    )


@pytest.fixture
def secret(incident: Incident) -> Incident:
    """A private incident: only the team of Checkout may see it."""
    return IncidentFactory(service=incident.service, visibility="private", title="Card data")


def status(user: User, name: str, *args: int) -> int:
    return browser(user).get(reverse(f"notifications:{name}", args=args)).status_code


# --- Sandbox ---


def test_the_sandbox_is_for_responders(alice: User, bob: User, carol: User, eve: User):
    statuses = [status(user, "sandbox") for user in (alice, bob, carol, eve)]

    assert statuses == [200, 200, 403, 403]


def test_a_message_is_seen_by_who_sees_its_incident(
    incident: Incident, bob: User, carol: User, eve: User
):
    message = kept_message(incident, bob)

    statuses = [status(user, "sandbox_message", message.pk) for user in (bob, carol, eve)]

    assert statuses == [200, 403, 404]


def test_messages_of_a_private_incident_are_seen_by_who_got_them(
    secret: Incident, alice: User, bob: User
):
    message = kept_message(secret, bob)

    assert status(bob, "sandbox_message", message.pk) == 200
    assert status(alice, "sandbox_message", message.pk) == 404
    listed = browser(alice).get(reverse("notifications:sandbox")).content.decode()
    assert "Card data" not in listed


def test_a_message_is_shown_with_headers_text_and_source_but_never_as_html(
    incident: Incident, bob: User
):
    Incident.objects.filter(pk=incident.pk).update(title="<b>Down</b>")
    message = kept_message(incident, bob)

    page = browser(bob).get(reverse("notifications:sandbox_message", args=[message.pk]))

    text = page.content.decode()
    assert "X-OpsKnight-Incident" in text
    assert "Bob, you are paged." in text
    assert "<b>Down</b>" not in text
    assert "&lt;b&gt;Down&lt;/b&gt;" in text


def test_the_sandbox_leads_on_to_older_messages(
    incident: Incident, bob: User, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("notifications.web.sandbox.PAGE_SIZE", 2)
    first = kept_message(incident, bob)
    for number in range(2):
        NotificationFactory(incident=incident, user=bob, cause=f"step:0:0:{number + 1}")
        deliver_due(channel="email")
    client = browser(bob)
    newest = client.get(reverse("notifications:sandbox"))

    older = client.get(reverse("notifications:sandbox") + newest.context["page"].older)

    assert [message.pk for message in older.context["page"].rows] == [first.pk]
    assert older.context["page"].older == ""


# --- Notices ---


def test_the_bell_counts_what_is_unread(incident: Incident, bob: User, eve: User):
    notice(incident, bob)

    assert b">1</span>" in browser(bob).get(reverse("notifications:bell")).content
    assert b"hidden>0</span>" in browser(eve).get(reverse("notifications:bell")).content


def test_only_own_notices_are_listed(incident: Incident, bob: User, alice: User):
    notice(incident, bob)

    assert incident.title in browser(bob).get("/notifications/").content.decode()
    assert incident.title not in browser(alice).get("/notifications/").content.decode()


def test_of_an_incident_out_of_sight_only_the_number_is_shown(secret: Incident, eve: User):
    notice(secret, eve)

    text = browser(eve).get("/notifications/").content.decode()

    assert f"#{secret.pk}" in text
    assert secret.title not in text


def test_reading_a_notice_leads_to_its_incident(incident: Incident, bob: User):
    own = notice(incident, bob)

    answer = browser(bob).post(reverse("notifications:read", args=[own.pk]))

    own.refresh_from_db()
    assert own.read_at is not None
    assert answer.url == f"/incidents/{incident.pk}/"


def test_reading_does_not_lead_off_the_site(incident: Incident, bob: User):
    own = notice(incident, bob)
    url = reverse("notifications:read", args=[own.pk])

    answer = browser(bob).post(url, {"next": "https://evil.example/"})

    assert answer.url == f"/incidents/{incident.pk}/"


def test_nobody_reads_the_notices_of_others(incident: Incident, bob: User, alice: User):
    foreign = notice(incident, bob)

    answer = browser(alice).post(reverse("notifications:read", args=[foreign.pk]))

    foreign.refresh_from_db()
    assert answer.status_code == 404
    assert foreign.read_at is None


def test_all_notices_can_be_read_at_once(incident: Incident, bob: User, alice: User):
    for cause in ("step:0:0:0", "step:0:0:1"):
        notice(incident, bob, cause)
    foreign = notice(incident, alice)

    browser(bob).post(reverse("notifications:read_all"))

    foreign.refresh_from_db()
    assert not Notification.objects.filter(user=bob, read_at=None).exists()
    assert foreign.read_at is None


def test_open_pages_hear_the_count_each_their_own(incident: Incident, bob: User, alice: User):
    notice(incident, bob)

    assert render_notices([alice.pk, bob.pk]) == [
        LiveMessage((f"user-{alice.pk}",), "notification", {"unread": 0}),
        LiveMessage((f"user-{bob.pk}",), "notification", {"unread": 1}),
    ]


# --- Deliveries of an incident ---


def test_deliveries_are_seen_by_who_sees_the_incident(
    incident: Incident, bob: User, carol: User, eve: User
):
    statuses = [status(user, "deliveries_panel", incident.pk) for user in (bob, carol, eve)]

    assert statuses == [200, 200, 404]


def test_deliveries_of_a_private_incident_are_hidden_from_responders(secret: Incident, bob: User):
    assert status(bob, "deliveries_panel", secret.pk) == 404


def test_the_panel_says_who_how_and_what_became_of_it(incident: Incident, bob: User, carol: User):
    NotificationFactory(
        incident=incident,
        user=bob,
        attempts=3,
        last_error="Answered 503.",
        maybe_duplicate=True,
    )
    notice(incident, bob)

    text = browser(carol).get(reverse("notifications:deliveries_panel", args=[incident.pk]))

    shown = text.content.decode()
    for words in ("Bob", "by e-mail", "Pending", "3 attempts", "Answered 503.", "twice"):
        assert words in shown
    assert "bob@example.com" not in shown
    assert "in the app" not in shown


@pytest.mark.parametrize("name", ["sandbox", "notices", "deliveries_panel", "contact_methods"])
def test_lists_cost_the_same_for_one_row_and_for_ten(
    settings: Settings, incident: Incident, bob: User, name: str
):
    settings.EMAIL_URL = ""
    args = [incident.pk] if name == "deliveries_panel" else []
    client = browser(bob)
    counts = []
    for rows in (range(1), range(1, 10)):
        for number in rows:
            each = IncidentFactory() if name != "deliveries_panel" else incident
            NotificationFactory(incident=each, user=bob, cause=f"step:0:0:{number}")
            deliver_due(channel="email")
            notice(each, bob, f"step:0:0:{number}")
            NotificationRuleFactory(contact_method__user=bob)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse(f"notifications:{name}", args=args)).status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]


# --- Contact methods and rules ---


@pytest.fixture
def client(bob: User) -> Iterator[Client]:
    """Bob's browser."""
    return browser(bob)


SETTINGS = "/settings/notifications/"


def test_a_new_address_comes_with_its_first_rule_and_is_audited(client: Client, bob: User):
    form = {"channel": "email", "address": " Bob@Home.example ", "use": "high"}

    answer = client.post(SETTINGS, form | {"delay_minutes": "5"})

    assert answer.status_code == 302
    method = ContactMethod.objects.get(user=bob)
    assert method.address == "bob@home.example"
    assert NotificationRule.objects.get(contact_method=method).delay_minutes == 5
    actions = sorted(AuditEntry.objects.values_list("action", flat=True))
    assert actions == [
        "contact_method.code_sent",
        "contact_method.created",
        "notification_rule.created",
    ]


def test_a_webhook_gets_a_secret_that_its_owner_can_look_at(client: Client, bob: User, alice: User):
    client.post(SETTINGS, {"channel": "webhook", "address": "https://example.com/x"})

    method = ContactMethod.objects.get(user=bob)
    url = reverse("notifications:method_secret", args=[method.pk])
    assert method.secret
    assert method.secret in client.get(url).content.decode()
    assert browser(alice).get(url).status_code == 404
    assert method.secret not in str(list(AuditEntry.objects.values_list("changes", flat=True)))
    assert not NotificationRule.objects.exists()


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("email", "nonsense"),
        ("email", ""),
        ("email", "a@b\r\nBcc: c@d"),
        ("webhook", "ftp://example.com"),
        ("webhook", "https://user:word@example.com/"),
        ("webhook", "https://" + "x" * 1600),
        ("webhook", "javascript:alert(1)"),
        ("sms", "+4312"),
        ("sms", "0664 1234567"),
        ("slack", "U123"),
        ("in_app", "x"),
    ],
)
def test_an_address_that_cannot_work_is_refused_at_its_field(
    client: Client, channel: str, address: str
):
    answer = client.post(SETTINGS, {"channel": channel, "address": address})

    assert answer.status_code == 422
    assert answer.context["method_form"].errors.keys() & {"address", "channel"}
    assert not ContactMethod.objects.exists()


def test_the_same_address_twice_is_refused(client: Client):
    form = {"channel": "email", "address": "bob@home.example"}
    client.post(SETTINGS, form)

    answer = client.post(SETTINGS, form)

    assert answer.status_code == 422
    assert ContactMethod.objects.count() == 1


def test_rules_are_added_and_removed(client: Client, bob: User):
    method = ContactMethodFactory(user=bob)
    form = {"contact_method": method.pk, "delay_minutes": 10, "urgency": "other"}

    client.post(reverse("notifications:add_rule"), form)
    again = client.post(reverse("notifications:add_rule"), form)
    rule = NotificationRule.objects.get()
    client.post(reverse("notifications:remove_rule", args=[rule.pk]))

    assert again.status_code == 422
    assert not NotificationRule.objects.exists()


@pytest.mark.parametrize("delay", ["-1", "1441", "soon", ""])
def test_a_delay_beyond_a_day_is_refused(client: Client, bob: User, delay: str):
    method = ContactMethodFactory(user=bob)

    answer = client.post(
        reverse("notifications:add_rule"),
        {"contact_method": method.pk, "delay_minutes": delay, "urgency": "high"},
    )

    assert answer.status_code == 422
    assert answer.context["rule_form"].errors.keys() == {"delay_minutes"}


def test_a_rule_cannot_use_the_address_of_somebody_else(client: Client):
    foreign = ContactMethodFactory()

    answer = client.post(
        reverse("notifications:add_rule"), {"contact_method": foreign.pk, "delay_minutes": 0}
    )

    assert answer.status_code == 422
    assert not NotificationRule.objects.exists()


def test_switching_on_forgets_what_was_broken(client: Client, bob: User):
    method = ContactMethodFactory(user=bob, enabled=False, broken_reason="Answered 410.")
    assert "Answered 410." in client.get(SETTINGS).content.decode()

    client.post(reverse("notifications:enable_method", args=[method.pk]))

    method.refresh_from_db()
    assert (method.enabled, method.broken_reason) == (True, "")


def test_an_address_can_be_switched_off_and_removed(client: Client, bob: User):
    method = ContactMethodFactory(user=bob)

    client.post(reverse("notifications:disable_method", args=[method.pk]))
    method.refresh_from_db()
    was_enabled = method.enabled
    client.post(reverse("notifications:remove_method", args=[method.pk]))

    assert not was_enabled
    assert not ContactMethod.objects.exists()


OWN_ACTIONS = [
    "change_rule",
    "remove_rule",
    "remove_method",
    "enable_method",
    "disable_method",
    "send_code",
    "verify_method",
    "test_method",
    "status_updates",
]


@pytest.mark.parametrize("name", OWN_ACTIONS)
def test_nobody_changes_the_ways_of_others(name: str, bob: User, alice: User):
    rule = NotificationRuleFactory(contact_method__user=bob)
    pk = rule.pk if name in ("remove_rule", "change_rule") else rule.contact_method_id
    form = {"delay_minutes": 9, "code": "123456", "wants": "1"}

    answer = browser(alice).post(reverse(f"notifications:{name}", args=[pk]), form)

    assert answer.status_code == 404
    assert NotificationRule.objects.filter(pk=rule.pk, contact_method__enabled=True).exists()


# --- Every page ---

PAGES = [
    ("sandbox", 0),
    ("sandbox_message", 1),
    ("notices", 0),
    ("bell", 0),
    ("deliveries_panel", 1),
    ("contact_methods", 0),
    ("method_secret", 1),
]
ACTIONS = [
    ("read", 1),
    ("read_all", 0),
    ("contact_methods", 0),
    ("add_rule", 0),
    *((name, 1) for name in OWN_ACTIONS),
    ("set_quiet_hours", 0),
    ("set_digest", 0),
    ("add_absence", 0),
    ("end_absence", 1),
]


@pytest.mark.parametrize(("name", "args"), [*PAGES, *ACTIONS])
def test_strangers_are_sent_to_the_login(name: str, args: int):
    url = reverse(f"notifications:{name}", args=[1] * args)

    answers = [Client().get(url), Client().post(url)]

    assert all(a.status_code in (302, 405) for a in answers)
    assert any(a.status_code == 302 and a.url.startswith("/login/") for a in answers)


@pytest.mark.parametrize(("name", "args"), ACTIONS)
def test_forged_forms_change_nothing(name: str, args: int, bob: User):
    client = browser(bob, enforces_csrf=True)

    answer = client.post(reverse(f"notifications:{name}", args=[1] * args))

    assert answer.status_code == 403


@pytest.mark.parametrize(("name", "args"), [a for a in ACTIONS if a[0] != "contact_methods"])
def test_actions_need_a_post(name: str, args: int, client: Client):
    assert client.get(reverse(f"notifications:{name}", args=[1] * args)).status_code == 405


@pytest.mark.parametrize("number", [0, 10**18, 10**30])
def test_an_odd_number_is_not_found(number: int, client: Client):
    assert client.get(f"/sandbox/{number}/").status_code == 404
    assert client.get(f"/sandbox/?before={number}").status_code == 200
