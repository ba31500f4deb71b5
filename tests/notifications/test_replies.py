"""Answers by SMS (scenarios E1 to E7, T9, T16)."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from incidents.models import Incident, TimelineEntry
from incidents.services.lifecycle import resolve_incidents
from notifications.models import ContactMethod, InboundReply, Notification
from notifications.services.replies import MAX_SORRIES, SORRY, answer_reply, forget_replies
from notifications.services.reply_codes import assign_reply_codes
from notifications.services.stopping import has_stopped
from opsknight.models import AuditEntry, User
from tests.factories import ContactMethodFactory, IncidentFactory, NotificationFactory

pytestmark = pytest.mark.django_db
State = Notification.State
Status = Incident.Status
PHONE = "+4915112345678"


@pytest.fixture
def phone(bob: User) -> ContactMethod:
    """Bob's telephone."""
    return ContactMethodFactory(user=bob, channel="sms", address=PHONE)


def text_to(
    method: ContactMethod,
    *incidents: Incident,
    bundle: uuid.UUID | None = None,
    now: datetime | None = None,
) -> None:
    """Send one page for each incident to a telephone."""
    now = now or timezone.now()
    for incident in incidents:
        NotificationFactory(
            incident=incident,
            user=method.user,
            channel=method.channel,
            address=method.address,
            contact_method=method,
            state=State.SENT,
            finished_at=now,
            bundle=bundle,
        )
        incident.participants.get_or_create(user=method.user)
        assign_reply_codes(pairs=[(method.address, incident.pk)], now=now)


def reply(text: str, *, address: str = PHONE, message_id: str = "", channel: str = "sms") -> str:
    return answer_reply(
        channel=channel, address=address, text=text, message_id=message_id, now=timezone.now()
    )


def status_of(incident: Incident) -> str:
    return Incident.objects.get(pk=incident.pk).status


def said(incident: Incident) -> list[str]:
    return list(TimelineEntry.objects.filter(incident=incident).values_list("message", flat=True))


@pytest.mark.parametrize("text", ["ack{}", "ack {}", "ack {}  ", "a", "ack", " A ", "ack #{}"])
def test_e1_every_way_of_writing_it_acknowledges(
    phone: ContactMethod, incident: Incident, text: str
) -> None:
    text_to(phone, incident)

    answer = reply(text.format(incident.pk))

    assert status_of(incident) == Status.ACKNOWLEDGED
    assert answer == f"#{incident.pk} Error rate above 5 %: acknowledged."


@pytest.mark.parametrize("text", ["c", "close", "Close {}", "resolve"])
def test_e1_every_way_of_writing_it_closes(
    phone: ContactMethod, incident: Incident, text: str
) -> None:
    text_to(phone, incident)

    answer = reply(text.format(incident.pk))

    assert status_of(incident) == Status.RESOLVED
    assert "Error rate above 5 %: resolved" in answer


def test_e1_a_bare_letter_means_the_last_page_of_this_telephone(
    phone: ContactMethod, carol: User
) -> None:
    first, second, others = (IncidentFactory(title=t) for t in ("First", "Second", "Other"))
    text_to(phone, first, now=timezone.now() - timedelta(minutes=2))
    text_to(phone, second, now=timezone.now() - timedelta(minutes=1))
    text_to(ContactMethodFactory(user=carol, channel="sms", address="+43660123456"), others)

    answer = reply("a")

    assert "Second" in answer
    assert [status_of(i) for i in (first, second, others)] == [
        Status.TRIGGERED,
        Status.ACKNOWLEDGED,
        Status.TRIGGERED,
    ]


def test_e1_a_page_that_failed_is_not_what_a_bare_letter_means(phone: ContactMethod) -> None:
    arrived, failed = IncidentFactory(), IncidentFactory()
    text_to(phone, arrived)
    text_to(phone, failed)
    Notification.objects.filter(incident=failed).update(state=State.FAILED)

    reply("a")

    assert status_of(arrived) == Status.ACKNOWLEDGED
    assert status_of(failed) == Status.TRIGGERED


def test_e1_a_reply_may_come_before_the_page_is_recorded_as_sent(
    phone: ContactMethod, incident: Incident
) -> None:
    text_to(phone, incident)
    Notification.objects.update(
        state=State.SENDING, finished_at=None, leased_until=timezone.now() + timedelta(seconds=30)
    )

    reply("a")

    assert status_of(incident) == Status.ACKNOWLEDGED


def test_e1_a_bare_letter_without_any_page_changes_nothing(
    phone: ContactMethod, incident: Incident
) -> None:
    assert reply("a") == "Nothing was sent here that could be answered."
    assert status_of(incident) == Status.TRIGGERED


def test_e2_the_timeline_names_the_person_and_the_way(
    phone: ContactMethod, incident: Incident
) -> None:
    text_to(phone, incident)

    reply("1a")

    entry = TimelineEntry.objects.get(incident=incident)
    assert (entry.message, entry.actor) == ("Acknowledged by Bob by SMS", phone.user)


def test_e3_an_answer_given_twice_is_said_to_be_so(
    phone: ContactMethod, incident: Incident
) -> None:
    text_to(phone, incident)
    reply("1a")

    answer = reply("1a")

    assert answer == f"#{incident.pk} Error rate above 5 %: already acknowledged by Bob."
    assert said(incident) == ["Acknowledged by Bob by SMS"]


@pytest.mark.parametrize("text", ["'1c'", "1 c", "“1c”", "1C"])
def test_e3_quotes_and_blanks_are_accepted(
    phone: ContactMethod, incident: Incident, text: str
) -> None:
    text_to(phone, incident)

    reply(text)

    assert status_of(incident) == Status.RESOLVED


def test_e3_a_code_that_was_used_again_means_the_new_incident(phone: ContactMethod) -> None:
    first, second, third = (IncidentFactory(title=t) for t in ("First", "Second", "Third"))
    text_to(phone, first, second)
    reply("1c")
    text_to(phone, third)

    answer = reply("1a")

    assert "Third: acknowledged" in answer
    assert status_of(second) == Status.TRIGGERED


def test_e3_a_number_that_nobody_has_is_said_to_be_unknown(phone: ContactMethod) -> None:
    assert reply("7a") == "No page here has the number 7."


def test_e3_a_number_that_may_mean_two_incidents_is_asked_about(phone: ContactMethod) -> None:
    first = IncidentFactory(pk=2)
    second = IncidentFactory(pk=1)
    text_to(phone, first, second)  # 2 has code 1, and 1 has code 2

    answer = reply("ack 1")

    assert answer == (
        "1 may mean incident #1 or the page with number 1. Reply #1 acknowledge or 1 acknowledge."
    )
    assert {status_of(first), status_of(second)} == {Status.TRIGGERED}
    assert "acknowledged" in reply("#1 acknowledge")
    assert status_of(second) == Status.ACKNOWLEDGED


def test_d2_one_reply_acknowledges_all_that_a_message_named(phone: ContactMethod) -> None:
    before, *named = (IncidentFactory() for _ in range(4))
    text_to(phone, before)
    text_to(phone, *named, bundle=uuid.uuid4())

    answer = reply("3aa")

    ids = ", ".join(f"#{incident.pk}" for incident in named)
    assert answer == f"3 acknowledged: {ids}."
    assert {status_of(incident) for incident in named} == {Status.ACKNOWLEDGED}
    assert status_of(before) == Status.TRIGGERED


def test_d2_a_bare_letter_acknowledges_all_of_the_last_message_and_closes_none(
    phone: ContactMethod,
) -> None:
    named = [IncidentFactory(), IncidentFactory()]
    text_to(phone, *named, bundle=uuid.uuid4())

    answer = reply("c")
    reply("a")

    assert "named 2 incidents" in answer
    assert {status_of(incident) for incident in named} == {Status.ACKNOWLEDGED}


def test_e4_nonsense_from_a_known_number_is_answered_with_sorry(phone: ContactMethod) -> None:
    assert reply("what is this?") == SORRY


def test_e4_an_unknown_number_gets_no_answer(phone: ContactMethod, incident: Incident) -> None:
    assert reply("nonsense", address="+43660123456") == ""
    assert reply(f"ack {incident.pk}", address="+43660123456") == ""
    assert status_of(incident) == Status.TRIGGERED


@pytest.mark.parametrize(
    "change",
    [
        {"enabled": False},
        {"verified_at": None},
        {"stopped_at": timezone.now()},
        {"channel": "voice"},
    ],
)
def test_e4_a_number_that_is_not_in_use_gets_no_answer(
    phone: ContactMethod, incident: Incident, change: dict[str, object]
) -> None:
    text_to(phone, incident)
    ContactMethod.objects.filter(pk=phone.pk).update(**change)

    assert reply("1a") == ""
    assert reply("nonsense") == ""
    assert status_of(incident) == Status.TRIGGERED


def test_e4_somebody_disabled_gets_no_answer(
    phone: ContactMethod, incident: Incident, bob: User
) -> None:
    text_to(phone, incident)
    User.objects.filter(pk=bob.pk).update(status=User.Status.DISABLED)

    assert reply("1a") == ""
    assert status_of(incident) == Status.TRIGGERED


def test_e4_an_incident_out_of_sight_cannot_be_answered(
    incident: Incident, eve: User, phone: ContactMethod
) -> None:
    ContactMethodFactory(user=eve, channel="sms", address="+43660123456")

    answer = reply(f"ack {incident.pk}", address="+43660123456")

    assert answer == f"There is no incident #{incident.pk}."
    assert status_of(incident) == Status.TRIGGERED


def test_e5_ten_times_nonsense_is_answered_five_times(phone: ContactMethod) -> None:
    answers = [reply("nonsense") for _ in range(10)]

    assert answers == [SORRY] * MAX_SORRIES + [""] * 5


def test_e5_a_real_action_begins_the_count_anew(phone: ContactMethod, incident: Incident) -> None:
    text_to(phone, incident)
    for _ in range(10):
        reply("nonsense")

    assert reply("1a").endswith("acknowledged.")
    assert reply("nonsense") == SORRY


def test_e5_a_new_page_begins_the_count_anew(phone: ContactMethod, incident: Incident) -> None:
    for _ in range(10):
        reply("nonsense")
    text_to(phone, incident)

    assert reply("nonsense") == SORRY


def test_e5_numbers_that_are_tried_out_are_answered_five_times(phone: ContactMethod) -> None:
    answers = [reply(f"{number}a") for number in range(10)]

    assert [bool(answer) for answer in answers] == [True] * 5 + [False] * 5


def test_t9_what_is_counted_survives_every_process(phone: ContactMethod) -> None:
    for _ in range(6):
        reply("nonsense")

    assert InboundReply.objects.filter(address=PHONE, was_understood=False).count() == 6
    assert InboundReply.objects.exclude(answer="").count() == MAX_SORRIES


def test_e6_stop_ends_sms_only_and_start_begins_them_again(phone: ContactMethod, bob: User) -> None:
    voice = ContactMethodFactory(user=bob, channel="voice", address=PHONE)

    stopped = reply("stop")
    phone.refresh_from_db()
    voice.refresh_from_db()
    was_usable, calls_go_on = phone.is_usable, voice.is_usable
    started = reply("start")

    phone.refresh_from_db()
    assert (stopped, was_usable, calls_go_on) == ("", False, True)
    assert (started, phone.is_usable) == ("Pages come here again. STOP ends them.", True)


def test_e6_stop_and_start_are_audited(phone: ContactMethod) -> None:
    reply("stop")
    reply("stop")
    reply("start")

    actions = AuditEntry.objects.filter(entity_id=str(phone.pk)).order_by("pk")
    assert list(actions.values_list("action", flat=True)) == [
        "contact_method.stopped",
        "contact_method.started",
    ]


@pytest.mark.parametrize("text", ["stop ", " Stop", "STOP\n", "\tstop\xa0", "'stop'"])
def test_t16_stop_is_stop_with_blanks_around_it(phone: ContactMethod, text: str) -> None:
    reply(text)

    phone.refresh_from_db()
    assert phone.stopped_at is not None


def test_t16_stop_counts_for_everybody_who_has_the_number_even_unverified(
    phone: ContactMethod, carol: User
) -> None:
    wrong = ContactMethodFactory(user=carol, channel="sms", address=PHONE, verified_at=None)

    reply("STOP")

    wrong.refresh_from_db()
    assert wrong.stopped_at is not None


def test_t16_a_number_that_said_stop_stays_stopped_when_it_is_added_again() -> None:
    reply("stop")

    assert has_stopped(channel="sms", address=PHONE)
    reply("start")
    assert not has_stopped(channel="sms", address=PHONE)
    assert not has_stopped(channel="sms", address="+43660123456")


def test_e7_with_answers_switched_off_a_reply_says_so(
    settings: Settings, phone: ContactMethod, incident: Incident
) -> None:
    settings.SMS_REPLIES = False
    text_to(phone, incident)

    assert "disabled" in reply("1a")
    assert status_of(incident) == Status.TRIGGERED


def test_e7_with_answers_switched_off_stop_still_counts(
    settings: Settings, phone: ContactMethod
) -> None:
    settings.SMS_REPLIES = False

    reply("stop")

    phone.refresh_from_db()
    assert phone.stopped_at is not None


def test_a_reply_that_the_provider_repeats_is_acted_on_once(
    phone: ContactMethod, incident: Incident
) -> None:
    text_to(phone, incident)

    first = reply("1a", message_id="SM1")
    second = reply("1a", message_id="SM1")

    assert first == second
    assert first.endswith(": acknowledged.")
    assert InboundReply.objects.count() == 1


def test_of_those_who_share_a_telephone_the_one_who_was_paged_answers(
    phone: ContactMethod, incident: Incident, carol: User
) -> None:
    text_to(ContactMethodFactory(user=carol, channel="sms", address=PHONE), incident)

    reply("1a")

    assert said(incident) == ["Acknowledged by Carol by SMS"]


def test_of_those_who_share_a_telephone_nobody_acts_as_another(
    phone: ContactMethod, incident: Incident, carol: User
) -> None:
    ContactMethodFactory(user=carol, channel="sms", address=PHONE)

    answer = reply(f"ack #{incident.pk}")

    assert answer == f"Several people have this number, and no page about #{incident.pk} came."
    assert said(incident) == []


def test_by_whatsapp_the_same_is_answered(bob: User, incident: Incident) -> None:
    text_to(ContactMethodFactory(user=bob, channel="whatsapp", address=PHONE), incident)

    reply("a", channel="whatsapp")

    assert said(incident) == ["Acknowledged by Bob by WhatsApp"]


def test_one_incident_of_many_that_is_over_does_not_keep_the_others_back(
    phone: ContactMethod,
) -> None:
    over, going_on = IncidentFactory(), IncidentFactory()
    text_to(phone, over, going_on, bundle=uuid.uuid4())
    resolve_incidents(incident_ids=[over.pk], actor=None)

    answer = reply("aa")

    assert answer == f"1 already resolved: #{over.pk}. 1 acknowledged: #{going_on.pk}."


@pytest.mark.parametrize("text", ["\x00", "a\x00" * 400, "🚒" * 600, ""])
def test_strange_texts_do_no_harm(phone: ContactMethod, text: str) -> None:
    assert reply(text, message_id="x" * 300) != ""


def test_what_was_not_understood_is_forgotten_after_a_month_and_stop_is_not(
    phone: ContactMethod,
) -> None:
    reply("nonsense")
    reply("stop")
    InboundReply.objects.update(at=timezone.now() - timedelta(days=31))
    reply("start")
    reply("more nonsense")

    assert forget_replies(now=timezone.now()) == 1
    assert set(InboundReply.objects.values_list("text", flat=True)) == {
        "stop",
        "start",
        "more nonsense",
    }


@pytest.mark.django_db(transaction=True)
def test_a_reply_that_arrives_at_two_workers_at_once_is_acted_on_once(
    phone: ContactMethod, incident: Incident
) -> None:
    text_to(phone, incident)

    def arrive(_: int) -> str:
        try:
            return reply("1a", message_id="SM1")
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(arrive, range(4)))

    assert set(answers) == {f"#{incident.pk} Error rate above 5 %: acknowledged."}
    assert said(incident) == ["Acknowledged by Bob by SMS"]
