"""The page of one's own notifications, and the same by REST."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications.models import Absence, ContactMethod, Notification, PagingPreferences
from notifications.services.verification import send_code
from opsknight.models import ApiKey, User
from opsknight.services.keys import create_api_key
from tests.factories import ContactMethodFactory, NotificationRuleFactory
from tests.incidents.cast import browser

pytestmark = pytest.mark.django_db
SETTINGS = "/settings/notifications/"
HOUR = timedelta(hours=1)


def post(user: User, name: str, *args: int, **form: Any) -> Any:
    return browser(user).post(reverse(f"notifications:{name}", args=args), form)


def page_of(user: User) -> str:
    html = browser(user).get(SETTINGS).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def code_for(method: ContactMethod) -> str:
    row = Notification.objects.filter(contact_method=method, reason="verification").first()
    assert row is not None
    return row.text[:6]


def test_an_address_is_added_verified_and_used_on_the_page(bob: User):
    post(bob, "contact_methods", channel="sms", address="+43 664 1234567", use="both",
         delay_minutes=0)  # fmt: skip
    method = ContactMethod.objects.get(user=bob)
    assert "Not verified" in page_of(bob)

    answer = post(bob, "verify_method", method.pk, code=code_for(method))

    assert answer.status_code == 302
    method.refresh_from_db()
    assert (method.address, method.is_usable) == ("+436641234567", True)
    assert sorted(method.rules.values_list("urgency", flat=True)) == ["high", "other"]


def test_a_wrong_code_says_at_its_field_how_many_tries_are_left(bob: User):
    method = ContactMethodFactory(user=bob, channel="sms", address="+431", verified_at=None)
    send_code(user=bob, pk=method.pk, now=timezone.now())
    wrong = "000000" if code_for(method) != "000000" else "111111"

    answers = [post(bob, "verify_method", method.pk, code=wrong) for _ in range(6)]

    assert {answer.status_code for answer in answers} == {422}
    said = [re.search(r'id="wrong_.*?<p>(.*?)</p>', a.content.decode(), re.S) for a in answers]
    assert [found and found[1] for found in said] == [
        "This code is not right. 4 tries are left.",
        "This code is not right. 3 tries are left.",
        "This code is not right. 2 tries are left.",
        "This code is not right. 1 try is left.",
        "This code is not right, and was the last try. Send another.",
        "No code is good any more: it is too old, or was tried too often. Send another.",
    ]
    assert "The code was tried too often. Send another." in page_of(bob)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("pending", "on its way…"),
        ("delivered", "delivered."),
        ("sandboxed", "not sent, because no provider is set up for SMS."),
        ("failed", "could not be sent. Landline."),
    ],
)
def test_the_page_says_what_became_of_a_test(bob: User, state: str, words: str):
    method = ContactMethodFactory(user=bob, channel="sms", address="+436641234567")
    post(bob, "test_method", method.pk)
    ended = {"finished_at": None if state == "pending" else timezone.now()}
    Notification.objects.update(state=state, last_error="Landline." * (state == "failed"), **ended)

    text = page_of(bob)

    assert re.search(rf"Test, .{{0,80}}: {re.escape(words)}", text)


def test_a_form_of_htmx_is_answered_with_the_page_and_says_what_happened(bob: User):
    """A redirect would lose the toast, and the place where the person was reading."""
    method = ContactMethodFactory(user=bob, channel="sms", address="+436641234567")

    answer = browser(bob).post(
        reverse("notifications:disable_method", args=[method.pk]), headers={"HX-Request": "true"}
    )

    assert answer.status_code == 200
    assert "The address is not used" in answer["HX-Trigger"]
    assert f'id="way_{method.pk}"' in answer.content.decode()


def test_the_page_says_what_would_come_now(bob: User):
    method = ContactMethodFactory(user=bob, channel="sms", address="+436641234567")
    NotificationRuleFactory(contact_method=method)
    NotificationRuleFactory(contact_method=method, delay_minutes=15)

    text = page_of(bob)

    assert "At once SMS to +436641234567" in text
    assert "After 15 min SMS to +436641234567" in text
    assert "At once E-mail to bob@example.com" in text  # of the other urgencies


def test_the_page_says_that_nothing_would_come_at_once(bob: User):
    NotificationRuleFactory(contact_method=ContactMethodFactory(user=bob), delay_minutes=15)

    assert "Nothing reaches you at once" in page_of(bob)


def test_the_page_says_who_is_paged_instead_and_for_whom_one_stands_in(bob: User, carol: User):
    now = timezone.now()
    Absence.objects.create(
        user=bob, substitute=carol, begins_at=now - HOUR, ends_at=now + HOUR, note="Dentist"
    )

    assert "Carol is paged in your place" in page_of(bob)
    assert "You stand in for Bob" in page_of(carol)


def test_a_substitute_is_shown_without_addresses(bob: User, carol: User):
    now = timezone.now()
    Absence.objects.create(user=bob, substitute=carol, begins_at=now - HOUR, ends_at=now + HOUR)

    assert "carol@example.com" not in page_of(bob)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"verified_at": None}, "Nothing goes there until you prove that it is yours."),
        ({"stopped_at": timezone.now()}, "Send START from it"),
        ({"enabled": False, "broken_reason": "550 No such user."}, "550 No such user."),
        ({"enabled": False}, "Switched off by you"),
    ],
)
def test_the_owner_sees_why_an_address_is_not_used(values: dict[str, Any], word: str, bob: User):
    ContactMethodFactory(user=bob, **values)

    assert word in page_of(bob)


def test_quiet_hours_are_saved(bob: User):
    post(bob, "set_quiet_hours", quiet_up_to="medium", quiet_from="22:00", quiet_until="07:00",
         quiet_weekdays=[4, 5])  # fmt: skip

    chosen = PagingPreferences.objects.get(user=bob)
    assert (chosen.quiet_up_to, chosen.quiet_from, chosen.quiet_weekdays) == (
        "medium",
        time(22),
        [4, 5],
    )


def test_quiet_hours_without_times_are_refused_at_their_fields(bob: User):
    answer = post(bob, "set_quiet_hours", quiet_up_to="low")

    assert answer.status_code == 422
    assert set(answer.context["quiet_form"].errors) == {"quiet_from", "quiet_until"}


def test_a_digest_is_saved(bob: User):
    post(bob, "set_digest", digest="daily", digest_at="09:00")

    assert PagingPreferences.objects.get(user=bob).digest_at == time(9)


def test_an_absence_is_read_by_the_clock_of_the_person(bob: User, carol: User):
    bob.time_zone = "Europe/Vienna"
    bob.save(update_fields=["time_zone"])
    day = timezone.now().year + 1

    post(bob, "add_absence", begins_at=f"{day}-07-01T08:00", ends_at=f"{day}-07-02T08:00",
         substitute=carol.pk)  # fmt: skip

    absence = Absence.objects.get(user=bob)
    assert absence.begins_at == datetime(day, 7, 1, 6, tzinfo=UTC)


def test_an_absence_that_ends_before_it_begins_is_refused(bob: User, carol: User):
    answer = post(bob, "add_absence", begins_at="2099-07-02T08:00", ends_at="2099-07-01T08:00",
                  substitute=carol.pk)  # fmt: skip

    assert answer.status_code == 422
    assert "ends_at" in answer.context["absence_form"].errors


def test_nobody_ends_the_absence_of_others_on_the_page(alice: User, bob: User, carol: User):
    now = timezone.now()
    absence = Absence.objects.create(user=bob, substitute=carol, begins_at=now, ends_at=now + HOUR)

    assert post(alice, "end_absence", absence.pk).status_code == 404
    assert Absence.objects.get().ends_at == now + HOUR


def test_a_rule_moves_in_its_list(bob: User):
    rule = NotificationRuleFactory(contact_method__user=bob)

    post(bob, "change_rule", rule.pk, delay_minutes=20)

    rule.refresh_from_db()
    assert rule.delay_minutes == 20


def test_the_page_costs_the_same_queries_for_one_and_ten_addresses(bob: User):
    counts = []
    for number in (1, 9):
        for _ in range(number):
            NotificationRuleFactory(contact_method__user=bob)
        client = browser(bob)
        client.get(SETTINGS)  # accounts at providers are remembered
        with CaptureQueriesContext(connection) as queries:
            assert client.get(SETTINGS).status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]


# REST


Scope = ApiKey.Scope


def api(user: User, *scopes: ApiKey.Scope) -> Any:
    _, token = create_api_key(user=user, name="test", scopes=list(scopes or Scope))
    client = Client(headers={"authorization": f"Bearer {token}"})

    def call(method: str, path: str, **body: Any) -> Any:
        ask = getattr(client, method)
        if method == "get":
            return ask(f"/api/v1/me/{path}", body)
        return ask(f"/api/v1/me/{path}", body, content_type="application/json")

    return call


def test_an_address_lives_by_rest(bob: User):
    call = api(bob)
    made = call("post", "contact-methods", channel="sms", address="+436641234567")
    method = ContactMethod.objects.get(user=bob)

    verified = call("post", f"contact-methods/{method.pk}/verify", code=code_for(method))
    tested = call("post", f"contact-methods/{method.pk}/test")
    changed = call(
        "patch", f"contact-methods/{method.pk}", label="private", status_updates=True, enabled=False
    )
    removed = call("delete", f"contact-methods/{method.pk}")

    assert (made.status_code, made.json()["verified_at"]) == (201, None)
    assert verified.json()["health"] == "usable"
    assert tested.status_code == 202
    assert (changed.json()["label"], changed.json()["health"]) == ("private", "off")
    assert removed.status_code == 204
    assert not ContactMethod.objects.exists()


def test_only_the_answer_to_making_a_webhook_has_its_secret(bob: User):
    call = api(bob)

    made = call("post", "contact-methods", channel="webhook", address="https://x.example.com/")

    assert made.json()["secret"]
    listed = call("get", "contact-methods").json()["results"]
    assert "secret" not in listed[0]


def test_too_many_codes_answer_429(bob: User):
    call = api(bob)
    call("post", "contact-methods", channel="sms", address="+436641234567")
    method = ContactMethod.objects.get(user=bob)

    answers = [call("post", f"contact-methods/{method.pk}/send-code").status_code for _ in range(3)]

    assert answers == [202, 202, 429]


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("get", "contact-methods/{method}", {}),
        ("patch", "contact-methods/{method}", {"label": "x"}),
        ("delete", "contact-methods/{method}", {}),
        ("post", "contact-methods/{method}/test", {}),
        ("post", "contact-methods/{method}/verify", {"code": "123456"}),
        ("post", "contact-methods/{method}/send-code", {}),
        ("get", "notification-rules/{rule}", {}),
        ("patch", "notification-rules/{rule}", {"delay_minutes": 1}),
        ("delete", "notification-rules/{rule}", {}),
        ("get", "absences/{absence}", {}),
        ("delete", "absences/{absence}", {}),
    ],
)
def test_n4_even_an_administrator_does_not_reach_what_is_somebody_elses(
    verb: str, path: str, body: dict[str, Any], alice: User, bob: User, carol: User
):
    rule = NotificationRuleFactory(contact_method__user=bob)
    now = timezone.now()
    absence = Absence.objects.create(user=bob, substitute=carol, begins_at=now, ends_at=now + HOUR)
    ids = {"method": rule.contact_method_id, "rule": rule.pk, "absence": absence.pk}

    assert api(alice)(verb, path.format(**ids), **body).status_code == 404
    assert not Notification.objects.exists()


def test_nobody_uses_the_address_of_somebody_else_in_a_rule(alice: User, bob: User):
    method = ContactMethodFactory(user=bob)

    answer = api(alice)("post", "notification-rules", contact_method=method.pk)

    assert answer.status_code == 404


def test_a_key_that_only_reads_changes_nothing(bob: User):
    call = api(bob, Scope.USERS_READ)

    assert call("get", "contact-methods").status_code == 200
    answer = call("post", "contact-methods", channel="email", address="bob@home.example")
    assert answer.status_code == 403


def test_rules_of_both_lists_live_by_rest(bob: User):
    call, method = api(bob), ContactMethodFactory(user=bob)
    made = call(
        "post", "notification-rules", contact_method=method.pk, urgency="other", delay_minutes=5
    )
    rule = made.json()

    changed = call("patch", f"notification-rules/{rule['id']}", delay_minutes=7)
    again = call(
        "post", "notification-rules", contact_method=method.pk, urgency="other", delay_minutes=7
    )

    assert made.status_code == 201
    assert changed.json() == rule | {"delay_minutes": 7}
    assert again.status_code == 409
    assert len(call("get", "notification-rules").json()["results"]) == 1
    assert call("delete", f"notification-rules/{rule['id']}").status_code == 204


def test_preferences_are_read_and_changed_by_rest(bob: User):
    call = api(bob)
    assert call("get", "paging-preferences").json()["quiet_up_to"] == ""

    changed = call(
        "patch",
        "paging-preferences",
        quiet_up_to="low",
        quiet_from="22:00",
        quiet_until="07:00",
        quiet_weekdays=[5, 6],
    )
    refused = call("patch", "paging-preferences", digest="daily")

    assert changed.json()["quiet_weekdays"] == [5, 6]
    assert (refused.status_code, list(refused.json()["error"]["fields"])) == (400, ["digest_at"])


def test_absences_live_by_rest(bob: User, carol: User):
    call, now = api(bob), timezone.now()
    made = call(
        "post",
        "absences",
        begins_at=(now - HOUR).isoformat(),
        ends_at=(now + HOUR).isoformat(),
        substitute=carol.pk,
    )
    listed = call("get", "absences").json()["results"]

    assert made.status_code == 201
    assert [row["substitute"] for row in listed] == [carol.pk]
    assert call("delete", f"absences/{made.json()['id']}").status_code == 204
    assert call("get", "absences").json()["results"] == []


def test_the_plan_says_what_would_come(bob: User, carol: User):
    now = timezone.now()
    Absence.objects.create(user=bob, substitute=carol, begins_at=now + HOUR, ends_at=now + 3 * HOUR)
    call = api(bob)

    own = call("get", "paging-plan", urgency="low").json()
    later = call("get", "paging-plan", at=(now + 2 * HOUR).isoformat()).json()

    assert (own["user"], own["is_reached"]) == (bob.pk, True)
    assert own["pages"] == [
        {"channel": "email", "contact_method": None, "wait_minutes": 0, "held_until": None}
    ]
    assert later["user"] == carol.pk
    assert call("get", "paging-plan", urgency="huge").status_code == 400


def test_notices_of_shifts_are_read_and_changed_by_rest(bob: User):
    call = api(bob)
    assert call("get", "on-call-preferences").json() == {
        "minutes_before": 60,
        "tells_start": True,
        "tells_end": True,
    }

    assert call("patch", "on-call-preferences", tells_end=False).json()["tells_end"] is False
    assert call("patch", "on-call-preferences", minutes_before=99999).status_code == 400
