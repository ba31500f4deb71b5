"""Two lists of rules, quiet hours, digests and absences: how one is paged by the urgency."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from incidents.models import Incident, TimelineEntry
from notifications.models import (
    Absence,
    ContactMethod,
    Notification,
    NotificationRule,
    PagingPreferences,
)
from notifications.quiet import Digest, QuietHours
from notifications.services.absences import add_absence, end_absence
from notifications.services.delivery import deliver_due
from notifications.services.digests import send_due_digests
from notifications.services.outbox import PageRequest, queue_pages
from notifications.services.paging_preferences import set_paging_preferences
from notifications.services.planning import load_reach
from notifications.services.preferences import add_rule, change_rule, remove_rule
from notifications.services.quiet_pages import follow_quiet_pages
from opsknight.errors import Conflict, InvalidInput, NotFound
from opsknight.models import User
from tests.factories import (
    ContactMethodFactory,
    IncidentFactory,
    NotificationRuleFactory,
    UserFactory,
)
from tests.notifications.providers import Mailbox

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
Reason = Notification.Reason
NIGHT = datetime(2026, 3, 3, 2, tzinfo=UTC)  # a Tuesday
MORNING = datetime(2026, 3, 3, 7, tzinfo=UTC)


def page(
    incident: Incident,
    *users: User,
    now: datetime | None = None,
    cause: str = "step:0:0:0",
    reason: Reason = Reason.ESCALATION,
) -> frozenset[tuple[int, int]]:
    requests = [PageRequest(incident.pk, user.pk, reason, cause) for user in users]
    return queue_pages(requests=requests, now=now or timezone.now()).unreached


def of_urgency(urgency: str) -> Incident:
    return IncidentFactory(urgency=urgency, title=f"Something {urgency}")


def addresses(user: User, incident: Incident) -> list[tuple[str, int]]:
    rows = Notification.objects.filter(user=user, incident=incident).exclude(channel="in_app")
    return sorted(rows.values_list("address", "delay_minutes"))


def messages(incident: Incident) -> list[str]:
    return list(TimelineEntry.objects.filter(incident=incident).values_list("message", flat=True))


def rule(user: User, address: str, urgency: str = "high", delay: int = 0) -> NotificationRule:
    method = ContactMethod.objects.filter(user=user, address=address).first()
    method = method or ContactMethodFactory(user=user, address=address)
    return NotificationRuleFactory(contact_method=method, urgency=urgency, delay_minutes=delay)


def quiet(user: User, up_to: str = "low", **values: object) -> None:
    hours = {"quiet_up_to": up_to, "quiet_from": time(22), "quiet_until": time(7)}
    PagingPreferences.objects.create(user=user, **(hours | values))


# Two lists


@pytest.mark.parametrize(
    ("urgency", "expected"),
    [
        ("high", [("loud@home.example", 0), ("loud@home.example", 5)]),
        ("medium", [("calm@home.example", 10)]),
        ("low", [("calm@home.example", 10)]),
    ],
)
def test_each_urgency_is_paged_by_its_own_list(
    urgency: str, expected: list[tuple[str, int]], bob: User
):
    rule(bob, "loud@home.example")
    rule(bob, "loud@home.example", delay=5)
    rule(bob, "calm@home.example", "other", 10)
    incident = of_urgency(urgency)

    page(incident, bob)

    assert addresses(bob, incident) == expected


def test_an_empty_list_means_mail_to_the_account_at_once(bob: User):
    rule(bob, "loud@home.example")
    incident = of_urgency("medium")

    unreached = page(incident, bob)

    assert addresses(bob, incident) == [("bob@example.com", 0)]
    assert not unreached


def test_a_new_rule_takes_part_only_in_incidents_of_its_list(bob: User):
    high, low = of_urgency("high"), of_urgency("low")
    method = ContactMethodFactory(user=bob, address="new@home.example")
    page(high, bob)
    page(low, bob)

    add_rule(
        user=bob, contact_method_id=method.pk, delay_minutes=30, urgency="other", now=timezone.now()
    )

    assert ("new@home.example", 30) in addresses(bob, low)
    assert ("new@home.example", 30) not in addresses(bob, high)


def test_removing_a_rule_cancels_only_what_its_own_list_has_waiting(bob: User):
    high, low = of_urgency("high"), of_urgency("low")
    rule(bob, "a@home.example", "high", 30)
    calm = rule(bob, "a@home.example", "other", 30)
    rule(bob, "a@home.example", "other", 60)
    page(high, bob)
    page(low, bob)

    remove_rule(user=bob, pk=calm.pk)

    rows = Notification.objects.filter(channel="email", delay_minutes=30)
    states = rows.values_list("incident", "state")
    assert set(states) == {(high.pk, "pending"), (low.pk, "cancelled")}


def ways(user: User) -> list[tuple[str, int]]:
    """What waits for a person, by address and delay."""
    waiting = Notification.objects.filter(user=user, state="pending").exclude(channel="in_app")
    return sorted(waiting.values_list("address", "delay_minutes"))


def test_the_only_rule_leaves_what_waits_to_the_account_address(bob: User):
    quiet(bob)
    only = rule(bob, "a@home.example", "other")
    page(of_urgency("low"), bob, now=NIGHT)

    remove_rule(user=bob, pk=only.pk)

    assert ways(bob) == [("bob@example.com", 0)]
    assert Notification.objects.get(channel="email", state="pending").due_at == MORNING


def test_a_rule_that_comes_back_pages_again(bob: User, incident: Incident):
    rule(bob, "b@home.example")
    slow = rule(bob, "a@home.example", delay=30)
    page(incident, bob)

    for minutes in (10, 30):
        change_rule(user=bob, pk=slow.pk, delay_minutes=minutes, now=timezone.now())

    assert ways(bob) == [("a@home.example", 30), ("b@home.example", 0)]


def test_a_delay_that_is_over_already_pages_now(bob: User, incident: Incident):
    rule(bob, "b@home.example")
    slow = rule(bob, "a@home.example", delay=30)
    page(incident, bob, now=timezone.now() - 20 * MINUTE)

    change_rule(user=bob, pk=slow.pk, delay_minutes=10, now=timezone.now())

    waiting = Notification.objects.get(address="a@home.example", state="pending")
    assert waiting.due_at <= timezone.now()


def test_another_delay_moves_what_waits(bob: User, incident: Incident):
    slow = rule(bob, "a@home.example", delay=30)
    page(incident, bob)

    change_rule(user=bob, pk=slow.pk, delay_minutes=10, now=timezone.now())

    waiting = Notification.objects.filter(channel="email", state="pending")
    assert list(waiting.values_list("delay_minutes", flat=True)) == [10]


def test_a_rule_is_not_moved_onto_another(bob: User):
    slow = rule(bob, "a@home.example", delay=30)
    rule(bob, "a@home.example", delay=10)

    with pytest.raises(Conflict):
        change_rule(user=bob, pk=slow.pk, delay_minutes=10, now=timezone.now())


# Unusable ways


def test_d5_a_disabled_way_is_not_used_and_the_timeline_says_so(
    mailbox: Mailbox, incident: Incident, bob: User
):
    rule(bob, "on@home.example")
    rule(bob, "off@home.example")
    ContactMethod.objects.filter(address="off@home.example").update(enabled=False)

    page(incident, bob)
    deliver_due(channel="email")

    assert mailbox.recipients == ["on@home.example"]
    assert messages(incident) == [
        "Bob is not paged by e-mail to another address: its owner switched it off",
        "Page sent to Bob by e-mail",
    ]


@pytest.mark.parametrize(
    ("unusable", "why"),
    [
        ({"verified_at": None}, "it is not verified"),
        ({"stopped_at": NIGHT}, "its owner answered STOP"),
        (
            {"enabled": False, "broken_reason": "Answered 410."},
            "it was refused for good and is switched off",
        ),
    ],
)
def test_a_lost_way_falls_back_to_mail_and_the_timeline_says_why(
    unusable: dict[str, object], why: str, incident: Incident, bob: User
):
    rule(bob, "on@home.example", delay=10)
    lost = rule(bob, "lost@home.example")
    ContactMethod.objects.filter(pk=lost.contact_method_id).update(**unusable)

    page(incident, bob)

    assert addresses(bob, incident) == [("bob@example.com", 0), ("on@home.example", 10)]
    assert messages(incident) == [f"Bob is not paged by e-mail to another address: {why}"]


def test_the_same_cause_twice_says_it_once(incident: Incident, bob: User):
    lost = rule(bob, "lost@home.example")
    ContactMethod.objects.filter(pk=lost.contact_method_id).update(verified_at=None)

    page(incident, bob)
    page(incident, bob)

    assert len(messages(incident)) == 1


# Quiet hours


def test_low_urgency_waits_for_the_morning_and_counts_as_reached(bob: User):
    quiet(bob, "low")
    low, medium = of_urgency("low"), of_urgency("medium")

    unreached = page(low, bob, now=NIGHT) | page(medium, bob, now=NIGHT)

    due = dict(Notification.objects.filter(channel="email").values_list("incident", "due_at"))
    assert due == {low.pk: MORNING, medium.pk: NIGHT}
    assert Notification.objects.get(incident=low, channel="email").waits_for == "quiet"
    assert not unreached


def test_who_wants_quiet_for_everything_does_not_count_as_reached_for_what_is_urgent(bob: User):
    quiet(bob, "high")
    incident = of_urgency("high")

    assert page(incident, bob, now=NIGHT) == {(incident.pk, bob.pk)}
    assert Notification.objects.get(channel="email").due_at == MORNING


def test_a_delay_that_ends_in_quiet_hours_waits_as_well(bob: User):
    quiet(bob, "low")
    rule(bob, "a@home.example", "other", 30)
    incident = of_urgency("low")

    page(incident, bob, now=datetime(2026, 3, 2, 21, 45, tzinfo=UTC))

    assert Notification.objects.get(channel="email").due_at == MORNING


def test_repeats_in_quiet_hours_wait_as_one(bob: User):
    quiet(bob, "low")
    incident = of_urgency("low")
    later = timezone.now() + timedelta(days=30)
    night = later.replace(hour=2, minute=0)

    page(incident, bob, now=night)
    page(incident, bob, now=night + HOUR, cause="step:0:1:0")

    assert Notification.objects.filter(channel="email").count() == 1


@pytest.mark.parametrize(
    ("at", "until"),
    [
        (datetime(2026, 3, 27, 23, tzinfo=UTC), datetime(2026, 3, 28, 6, tzinfo=UTC)),
        # The clocks go forward in the night: seven in the morning comes an hour earlier.
        (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 5, tzinfo=UTC)),
        # They go back: an hour later.
        (datetime(2026, 10, 24, 23, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC)),
        (datetime(2026, 3, 27, 6, tzinfo=UTC), None),
        (datetime(2026, 3, 27, 20, 59, tzinfo=UTC), None),
    ],
)
def test_quiet_hours_follow_the_wall_clock(at: datetime, until: datetime | None):
    hours = QuietHours("low", time(22), time(7), frozenset(), "Europe/Vienna")

    assert hours.end_of(at, "low") == until


def test_quiet_hours_of_a_weekday_reach_into_the_next_morning_only():
    hours = QuietHours("medium", time(22), time(7), frozenset({4}), "UTC")  # Fridays
    friday = datetime(2026, 3, 6, 23, tzinfo=UTC)

    assert hours.end_of(friday, "medium") == datetime(2026, 3, 7, 7, tzinfo=UTC)
    assert hours.end_of(friday + 7 * HOUR, "low") == datetime(2026, 3, 7, 7, tzinfo=UTC)
    assert hours.end_of(friday + 24 * HOUR, "low") is None
    assert hours.end_of(friday, "high") is None


def test_quiet_hours_of_an_unknown_zone_are_read_in_utc():
    hours = QuietHours("low", time(22), time(7), frozenset(), "Mars/Olympus")

    assert hours.end_of(NIGHT, "low") == MORNING


def held(user: User) -> list[tuple[datetime, str]]:
    rows = Notification.objects.filter(user=user, state="pending", reason="escalation")
    rows = rows.exclude(channel="in_app")
    return list(rows.order_by("due_at").values_list("due_at", "waits_for"))


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("nothing", (MORNING, "quiet")),
        ("shorter", (MORNING - HOUR, "quiet")),
        ("over", (NIGHT + HOUR, "")),
        ("zone", (NIGHT + HOUR, "")),
        ("urgency", (NIGHT + HOUR, "")),
    ],
)
def test_what_waits_follows_a_change_of_quiet_hours(
    what: str, expected: tuple[datetime, str], bob: User
):
    quiet(bob)
    low = of_urgency("low")
    page(low, bob, now=NIGHT)
    hours = PagingPreferences.objects.filter(user=bob)
    match what:
        case "shorter":
            hours.update(quiet_until=time(6))
        case "over":
            hours.update(quiet_up_to="")
        case "zone":
            User.objects.filter(pk=bob.pk).update(time_zone="Asia/Tokyo")
        case "urgency":
            Incident.objects.filter(pk=low.pk).update(urgency="high")

    follow_quiet_pages(now=NIGHT + HOUR)
    follow_quiet_pages(now=NIGHT + HOUR)

    assert held(bob) == [expected]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"quiet_up_to": "low"}, "quiet_from"),
        (
            {"quiet_up_to": "low", "quiet_from": time(7), "quiet_until": time(7)},
            "quiet_until",
        ),
        ({"quiet_weekdays": [7]}, "quiet_weekdays"),
        ({"digest": "daily"}, "digest_at"),
        ({"digest": "weekly"}, "digest"),
    ],
)
def test_preferences_that_make_no_sense_are_refused_at_their_field(
    values: dict[str, object], field: str, bob: User
):
    with pytest.raises(InvalidInput) as refused:
        set_paging_preferences(user=bob, values=values, now=timezone.now())  # type: ignore[arg-type]

    assert field in refused.value.fields
    assert not PagingPreferences.objects.exists()


# Digests


def test_low_urgency_is_gathered_into_one_mail(mailbox: Mailbox, bob: User):
    set_paging_preferences(user=bob, values={"digest": "hourly"}, now=timezone.now() - 2 * HOUR)
    first, second = of_urgency("low"), of_urgency("low")
    unreached = page(first, bob, now=timezone.now() - HOUR)
    page(second, bob, now=timezone.now() - HOUR)
    deliver_due(channel="email")
    assert mailbox.recipients == []

    assert send_due_digests(now=timezone.now()) == 1
    deliver_due(channel="email")

    (mail,) = mailbox.mails
    assert "2 incidents of low urgency" in mail["Subject"]
    text = mail.get_body(("plain",)).get_content()
    assert f"#{first.pk} Something low" in text
    assert f"#{second.pk} Something low" in text
    assert not unreached


def test_a_digest_tells_everything_once(bob: User):
    set_paging_preferences(user=bob, values={"digest": "hourly"}, now=timezone.now() - 2 * HOUR)
    page(of_urgency("low"), bob, now=timezone.now() - HOUR)
    send_due_digests(now=timezone.now())

    assert send_due_digests(now=timezone.now() + 2 * HOUR) == 0
    assert Notification.objects.filter(reason="digest").count() == 1


def test_a_digest_tells_also_what_became_visible_after_the_last_one(bob: User):
    began_at = timezone.now() - 2 * HOUR
    set_paging_preferences(user=bob, values={"digest": "hourly"}, now=began_at - HOUR)
    page(of_urgency("low"), bob, now=began_at)
    assert send_due_digests(now=began_at + HOUR) == 1
    page(of_urgency("low"), bob, now=began_at)  # its transaction took two minutes

    assert send_due_digests(now=timezone.now()) == 1
    assert Notification.objects.filter(reason="digest").count() == 2


@pytest.mark.parametrize("urgency", ["medium", "high"])
def test_what_is_more_urgent_is_not_gathered(urgency: str, bob: User):
    set_paging_preferences(user=bob, values={"digest": "hourly"}, now=timezone.now())
    incident = of_urgency(urgency)

    page(incident, bob)

    assert addresses(bob, incident) == [("bob@example.com", 0)]


def test_a_digest_waits_for_the_end_of_quiet_hours(bob: User):
    quiet(bob, "low", digest="hourly")
    page(of_urgency("low"), bob, now=NIGHT - HOUR)

    assert send_due_digests(now=NIGHT) == 0
    assert send_due_digests(now=MORNING) == 1


def test_a_digest_that_an_administrator_switches_on_or_off_tells_everything(bob: User):
    PagingPreferences.objects.create(user=bob, digest="hourly")
    page(of_urgency("low"), bob, now=NIGHT)
    assert send_due_digests(now=NIGHT + HOUR) == 1

    page(of_urgency("low"), bob, now=NIGHT + HOUR)
    PagingPreferences.objects.filter(user=bob).delete()
    assert send_due_digests(now=NIGHT + HOUR + MINUTE) == 1


def test_giving_the_digest_up_sends_what_was_gathered(bob: User):
    set_paging_preferences(
        user=bob, values={"digest": "daily", "digest_at": time(9)}, now=timezone.now() - HOUR
    )
    page(of_urgency("low"), bob)

    set_paging_preferences(user=bob, values={"digest": ""}, now=timezone.now())

    assert Notification.objects.filter(reason="digest", channel="email").count() == 1


def test_the_digest_goes_to_the_mail_of_the_calm_list(bob: User):
    rule(bob, "calm@home.example", "other")
    set_paging_preferences(user=bob, values={"digest": "hourly"}, now=timezone.now() - 2 * HOUR)
    page(of_urgency("low"), bob, now=timezone.now() - HOUR)

    send_due_digests(now=timezone.now())

    assert Notification.objects.get(reason="digest").address == "calm@home.example"


def test_a_daily_digest_comes_at_its_time_on_the_wall_clock():
    digest = Digest("daily", time(9), "Europe/Vienna")
    vienna = ZoneInfo("Europe/Vienna")

    due = digest.next_after(datetime(2026, 3, 28, 9, tzinfo=vienna))

    assert due == datetime(2026, 3, 29, 9, tzinfo=vienna)


# Absence


def away(user: User, substitute: User, now: datetime | None = None) -> Absence:
    at = now or timezone.now()
    return add_absence(
        user=user, begins_at=at - HOUR, ends_at=at + HOUR, substitute=substitute, now=at
    )


def test_a_substitute_is_paged_in_the_persons_place_and_the_timeline_says_so(
    incident: Incident, bob: User, carol: User
):
    rule(carol, "carol@home.example")
    absence = away(bob, carol)

    unreached = page(incident, bob)

    assert addresses(bob, incident) == []
    assert addresses(carol, incident) == [("carol@home.example", 0)]
    row = Notification.objects.get(incident=incident, channel="email")
    assert row.in_place_of == bob
    until = absence.ends_at.astimezone(UTC)
    assert messages(incident) == [
        f"Bob is away until {until:%a} {until.day} {until:%b %H:%M} UTC: "
        "Carol is paged in place of Bob"
    ]
    assert not unreached


def test_the_substitute_may_act_on_the_incident(incident: Incident, bob: User, eve: User):
    away(bob, eve)

    page(incident, bob)

    assert incident.participants.filter(user=eve).exists()


def test_the_chain_of_substitutes_stops_at_one(
    incident: Incident, bob: User, carol: User, eve: User
):
    away(bob, carol)
    away(carol, eve)

    page(incident, bob)

    assert addresses(carol, incident) == [("carol@example.com", 0)]
    assert addresses(eve, incident) == []


def test_what_waits_for_the_morning_goes_to_whoever_stands_in_and_back(bob: User, carol: User):
    quiet(bob)
    low = of_urgency("low")
    page(low, bob, now=NIGHT)

    absence = away(bob, carol, now=NIGHT + HOUR)
    follow_quiet_pages(now=NIGHT + HOUR)
    assert (held(bob), held(carol)) == ([], [(NIGHT + HOUR, "")])
    assert "Carol is paged in place of Bob" in messages(low)[-1]

    quiet(carol)
    Notification.objects.filter(user=carol).update(waits_for="quiet")
    end_absence(user=bob, pk=absence.pk, now=NIGHT + 2 * MINUTE + HOUR)
    follow_quiet_pages(now=NIGHT + 2 * HOUR)
    assert (held(bob), held(carol)) == ([(MORNING, "quiet")], [])


def test_without_an_active_substitute_the_person_is_paged(
    incident: Incident, bob: User, carol: User
):
    away(bob, carol)
    carol.status = User.Status.DISABLED
    carol.save(update_fields=["status"])

    page(incident, bob)

    assert addresses(bob, incident) == [("bob@example.com", 0)]


def test_who_is_paged_anyway_is_paged_once(incident: Incident, bob: User, carol: User):
    away(bob, carol)

    page(incident, bob, carol)

    assert addresses(carol, incident) == [("carol@example.com", 0)]


def test_an_absence_to_come_changes_nothing_yet(incident: Incident, bob: User, carol: User):
    now = timezone.now()
    add_absence(user=bob, begins_at=now + HOUR, ends_at=now + 2 * HOUR, substitute=carol, now=now)

    page(incident, bob)

    assert addresses(bob, incident) == [("bob@example.com", 0)]
    plan = load_reach([bob.pk], since=now).plan_of(bob.pk, urgency="high", at=now + HOUR)
    assert plan is not None
    assert plan.user_id == carol.pk


def test_an_assignment_reaches_the_substitute(
    mailbox: Mailbox, incident: Incident, bob: User, carol: User
):
    away(bob, carol)
    incident.assignee = bob
    incident.save(update_fields=["assignee"])

    page(incident, bob, cause="assigned:1", reason=Reason.ASSIGNMENT)
    deliver_due(channel="email")

    assert mailbox.recipients.count("carol@example.com") == 2  # that she stands in, and the page


def test_the_substitute_is_told(bob: User, carol: User):
    away(bob, carol)

    notice = Notification.objects.get(user=carol, channel="email")
    assert notice.subject == "You stand in for Bob"


def test_being_back_ends_the_absence(incident: Incident, bob: User, carol: User):
    absence = away(bob, carol)

    end_absence(user=bob, pk=absence.pk, now=timezone.now())
    page(incident, bob)

    assert addresses(bob, incident) == [("bob@example.com", 0)]
    assert Notification.objects.filter(user=carol, subject__contains="any more").exists()


def test_an_absence_to_come_can_be_removed(bob: User, carol: User):
    now = timezone.now()
    absence = add_absence(
        user=bob, begins_at=now + HOUR, ends_at=now + 2 * HOUR, substitute=carol, now=now
    )

    end_absence(user=bob, pk=absence.pk, now=now)

    assert not Absence.objects.exists()


def test_nobody_ends_the_absence_of_somebody_else(alice: User, bob: User, carol: User):
    absence = away(bob, carol)

    with pytest.raises(NotFound):
        end_absence(user=alice, pk=absence.pk, now=timezone.now())


@pytest.mark.parametrize(
    ("hours", "who", "field"),
    [
        ((2, 1), "carol", "ends_at"),
        ((-3, -2), "carol", "ends_at"),
        ((0, 2), "bob", "substitute"),
        ((0, 2), "gone", "substitute"),
    ],
)
def test_absences_that_make_no_sense_are_refused_at_their_field(
    hours: tuple[int, int], who: str, field: str, bob: User, carol: User
):
    now = timezone.now()
    gone = UserFactory(status=User.Status.DISABLED)
    substitute = {"bob": bob, "carol": carol, "gone": gone}[who]

    with pytest.raises(InvalidInput) as refused:
        add_absence(
            user=bob,
            begins_at=now + hours[0] * HOUR,
            ends_at=now + hours[1] * HOUR,
            substitute=substitute,
            now=now,
        )
    assert list(refused.value.fields) == [field]


def test_two_absences_do_not_overlap(bob: User, carol: User, eve: User):
    away(bob, carol)

    with pytest.raises(Conflict):
        away(bob, eve)


# Ways that fail


def test_a_failed_way_does_not_end_the_quiet_of_the_next_one(
    mailbox: Mailbox, incident: Incident, bob: User
):
    Incident.objects.filter(pk=incident.pk).update(urgency="low")
    rule(bob, "first@home.example", "other")
    rule(bob, "second@home.example", "other", 60)
    page(incident, bob)
    morning = timezone.now() + 8 * HOUR
    second = Notification.objects.filter(delay_minutes=60)
    second.update(due_at=morning, waits_for=Notification.Wait.QUIET)
    mailbox.rcpt_answers = ["550 5.1.1 No such user"]

    deliver_due(channel="email")

    assert second.get().due_at == morning
    assert messages(incident)[-1].endswith("Trying by e-mail when quiet hours end.")


def test_the_last_way_of_a_substitute_stays_one(
    mailbox: Mailbox, incident: Incident, bob: User, carol: User
):
    rule(carol, "carol@home.example")
    Absence.objects.create(
        user=bob, substitute=carol, begins_at=timezone.now() - HOUR, ends_at=timezone.now() + HOUR
    )
    page(incident, bob)
    mailbox.rcpt_answers = ["550 5.1.1 No such user"]

    deliver_due(channel="email")

    row = Notification.objects.get(incident=incident, address="carol@example.com")
    assert (row.user, row.in_place_of) == (carol, bob)


def test_the_owner_of_a_refused_address_is_told(mailbox: Mailbox, incident: Incident, bob: User):
    rule(bob, "gone@home.example")
    page(incident, bob)
    mailbox.rcpt_answers = ["550 5.1.1 No such user"]

    deliver_due(channel="email")

    notice = Notification.objects.get(user=bob, channel="in_app", incident=None)
    assert notice.subject == "You are not paged any more: E-mail gone@home.example"
    assert "No such user" in notice.text
