"""Layers whose shifts come from a calendar at a real HTTP server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from escalations.calendars import isolated
from escalations.calendars.reading import MAX_ATTENDEES, read_events
from escalations.models import ImportedShift, OnCallSettings, Schedule, ScheduleLayer
from escalations.oncall import on_call_at
from escalations.selectors import history_of, rotas_of
from escalations.services import calendar_imports
from escalations.services.calendar_imports import EVERY, import_due_calendars
from opsknight.models import User
from tests.escalations.calendars.ics import ics
from tests.factories import ScheduleFactory, ScheduleLayerFactory, UserFactory
from tests.pages_server import Content, PagesServer, running_pages_server

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
DAY = """
DTSTART:20261124T080000Z
DTEND:20261124T180000Z
"""


@pytest.fixture(autouse=True)
def _local_addresses(settings: Settings) -> None:
    settings.CALENDAR_ALLOW_PRIVATE = True


@pytest.fixture
def site() -> Iterator[PagesServer]:
    with running_pages_server() as running:
        yield running


@pytest.fixture
def layer(site: PagesServer, bob: User) -> ScheduleLayer:
    """Read from /a.ics, which says that Bob is on call tomorrow."""
    site.pages["/a.ics"] = Content(ics(f"SUMMARY:Bob{DAY}"), etag='"1"')
    return calendar_layer(site.url("/a.ics"))


def calendar_layer(url: str, **fields: object) -> ScheduleLayer:
    schedule = ScheduleFactory(time_zone="Europe/Vienna", created_at=NOW)
    return ScheduleLayerFactory(schedule=schedule, source="calendar", calendar_url=url, **fields)


def run(site: PagesServer, text: bytes, path: str = "/a.ics") -> ScheduleLayer:
    """A layer after its calendar was read once."""
    site.pages[path] = Content(text)
    layer = calendar_layer(site.url(path))
    import_due_calendars(now=NOW)
    layer.refresh_from_db()
    return layer


def later(layer: ScheduleLayer, times: int = 1) -> ScheduleLayer:
    import_due_calendars(now=NOW + times * EVERY)
    layer.refresh_from_db()
    return layer


def spans(layer: ScheduleLayer) -> list[tuple[str, str, str]]:
    return [
        (str(s.user), f"{s.starts_at:%m-%dT%H:%M}", f"{s.ends_at:%m-%dT%H:%M}")
        for s in ImportedShift.objects.filter(layer=layer).order_by("starts_at", "user__name")
    ]


TOMORROW = ("Bob", "11-24T08:00", "11-24T18:00")


def test_shifts_are_read_and_asked_by_the_calculation(layer: ScheduleLayer, bob: User) -> None:
    import_due_calendars(now=NOW)

    layer.refresh_from_db()
    assert (layer.calendar_checked_at, layer.calendar_error) == (NOW, "")
    assert spans(layer) == [TOMORROW]
    at = datetime(2026, 11, 24, 9, tzinfo=UTC)
    ids = [layer.schedule_id]
    assert on_call_at(rotas_of(ids, since=NOW)[layer.schedule_id].spec, at) == (bob.pk,)
    assert on_call_at(history_of(ids, now=NOW)[layer.schedule_id], at) == (bob.pk,)


def test_calendar_is_asked_every_five_minutes(layer: ScheduleLayer, site: PagesServer) -> None:
    import_due_calendars(now=NOW)
    assert import_due_calendars(now=NOW + EVERY / 2) == 0
    assert import_due_calendars(now=NOW + EVERY) == 1

    assert len(site.asked) == 2


def test_known_calendar_is_not_sent_again(layer: ScheduleLayer, site: PagesServer) -> None:
    import_due_calendars(now=NOW)

    later(layer)

    assert site.asked[1][1]["if-none-match"] == '"1"'
    assert (spans(layer), layer.calendar_error) == ([TOMORROW], "")


def test_new_people_make_a_known_calendar_new(layer: ScheduleLayer, site: PagesServer) -> None:
    site.pages["/a.ics"] = Content(ics(f"SUMMARY:Zoe{DAY}"), etag='"1"')
    import_due_calendars(now=NOW)
    layer.refresh_from_db()
    assert "Zoe" in layer.calendar_error
    UserFactory(name="Zoe")

    later(layer)

    assert spans(layer) == [("Zoe", "11-24T08:00", "11-24T18:00")]
    assert layer.calendar_error == ""


def test_changed_calendar_replaces_the_shifts(layer: ScheduleLayer, site: PagesServer) -> None:
    import_due_calendars(now=NOW)
    site.pages["/a.ics"] = Content(ics(f"SUMMARY:Bob{DAY.replace('1124', '1125')}"), etag='"2"')

    later(layer)

    assert spans(layer) == [("Bob", "11-25T08:00", "11-25T18:00")]


# Who is meant


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ("SUMMARY:On call: Bob", ["Bob"]),
        ("SUMMARY:bob (primary)", ["Bob"]),
        ("SUMMARY:Bob Smith", ["Bob Smith"]),  # the longer name
        ("SUMMARY:Bobby", []),  # another word
        ("SUMMARY:Bob and Carol", ["Bob", "Carol"]),
        ("SUMMARY:Primary carol@example.com", ["Carol"]),
        ("SUMMARY:<carol@example.com>.", ["Carol"]),
        ("SUMMARY:Bob\nATTENDEE:mailto:Carol@Example.com", ["Carol"]),
        ("SUMMARY:Bob\nATTENDEE;PARTSTAT=DECLINED:mailto:carol@example.com", ["Bob"]),
        ("SUMMARY:Bob\nATTENDEE:mailto:room-1@example.com", ["Bob"]),
        ("SUMMARY:Sam", []),  # two people have that name
        ("SUMMARY:nobody@example.com", []),
        ("DESCRIPTION:Bob", []),
    ],
)
def test_people_are_matched(
    site: PagesServer, bob: User, carol: User, lines: str, names: list[str]
) -> None:
    UserFactory(name="Bob Smith")
    UserFactory(name="Sam", email="sam1@example.com")
    UserFactory(name="Sam", email="sam2@example.com")

    layer = run(site, ics(f"{lines}{DAY}"))

    assert [name for name, *_ in spans(layer)] == names
    assert bool(layer.calendar_error) == (not names)


def test_events_of_nobody_known_are_named_and_the_others_taken(
    site: PagesServer, bob: User
) -> None:
    layer = run(site, ics(f"SUMMARY:Zoe{DAY}", f"SUMMARY:Bob{DAY}", f"DESCRIPTION:x{DAY}"))

    assert spans(layer) == [TOMORROW]
    assert "“Zoe” on 2026-11-24" in layer.calendar_error
    assert "“without a name”" in layer.calendar_error


# Times


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # its own zone; the schedule's where it names none; whole days of that; a name of Windows
        ("DTSTART;TZID=Asia/Tokyo:20261124T080000\nDURATION:P1D", ("11-23T23:00", "11-24T23:00")),
        ("DTSTART:20261124T080000\nDURATION:PT8H", ("11-24T07:00", "11-24T15:00")),
        ("DTSTART;VALUE=DATE:20261124\nDTEND;VALUE=DATE:20261126", ("11-23T23:00", "11-25T23:00")),
        (
            "DTSTART;TZID=Tokyo Standard Time:20261124T080000\nDURATION:P1D",
            ("11-23T23:00", "11-24T23:00"),
        ),
    ],
)
def test_times_are_read(
    site: PagesServer, bob: User, lines: str, expected: tuple[str, str]
) -> None:
    layer = run(site, ics(f"SUMMARY:Bob\n{lines}"))

    assert spans(layer) == [("Bob", *expected)]


def test_repetitions_with_exceptions_are_written_out(site: PagesServer, bob: User) -> None:
    text = ics(
        "SUMMARY:Bob\nDTSTART;TZID=Europe/Vienna:20250106T090000\nDURATION:P7D\n"
        "RRULE:FREQ=WEEKLY;INTERVAL=2\nEXDATE;TZID=Europe/Vienna:20261207T090000"
    )

    layer = run(site, text)

    starts = [start for _, start, _ in spans(layer)]
    assert starts[:4] == ["11-09T08:00", "11-23T08:00", "12-21T08:00", "01-04T08:00"]


def test_cancelled_events_and_those_without_time_are_left_out(site: PagesServer, bob: User) -> None:
    layer = run(
        site,
        ics(
            f"SUMMARY:Bob\nSTATUS:CANCELLED{DAY}",
            "SUMMARY:Bob\nDTSTART:20261124T080000Z\nDTEND:20261124T080000Z",
        ),
    )

    assert (spans(layer), layer.calendar_error) == ([], "")


def test_bytes_that_cannot_be_stored_are_left_out(site: PagesServer, bob: User) -> None:
    layer = run(site, ics(f"SUMMARY:Bo\0b{DAY}", f"SUMMARY:Zo\0e{DAY}"))

    assert spans(layer) == [TOMORROW]
    assert "“Zoe”" in layer.calendar_error


def test_attendees_are_limited_however_often_an_event_repeats() -> None:
    crowd = "\n".join(f"ATTENDEE:mailto:{number}@example.com" for number in range(1_000))
    text = ics(f"SUMMARY:x\n{crowd}{DAY}RRULE:FREQ=DAILY;COUNT=3")

    events = read_events(text, zone="UTC", start=NOW, end=NOW + timedelta(days=7))

    assert [len(event.attendees) for event in events] == [MAX_ATTENDEES] * 3


def test_too_many_shifts_are_refused_as_a_whole(
    layer: ScheduleLayer, site: PagesServer, carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_due_calendars(now=NOW)
    monkeypatch.setattr(calendar_imports, "MAX_SHIFTS", 1)
    site.pages["/a.ics"] = Content(ics(f"SUMMARY:Bob and Carol{DAY}"))

    later(layer)

    assert "more than 1 shifts" in layer.calendar_error
    assert spans(layer) == [TOMORROW]


def test_calendar_that_cannot_be_taken_over_keeps_no_other_one_back(
    layer: ScheduleLayer,
    site: PagesServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(isolated, "ROOT", tmp_path / "gone")  # nothing can be started in there
    other = calendar_layer(site.url("/b.ics"))

    import_due_calendars(now=NOW)

    other.refresh_from_db()
    assert "answers 404" in other.calendar_error
    assert f"calendar of layer {layer.pk} could not" in caplog.text


# What cannot be read


BAD = {
    "nonsense": (b"<html>Sign in</html>", "does not answer with a calendar"),
    "empty": (b"", "does not answer with a calendar"),
    "bytes": (bytes(range(256)) * 50, "does not answer with a calendar"),
    "cut off": (ics(f"SUMMARY:Bob{DAY}")[:-40], "does not answer with a calendar"),
    "large": (ics(f"SUMMARY:Bob{DAY}DESCRIPTION:{'x' * 10_000_000}"), "larger than 5 MB"),
    "unknown zone": (
        ics("SUMMARY:Bob\nDTSTART;TZID=Mars/Olympus:20261124T080000\nDURATION:PT8H"),
        "unknown time zone Mars/Olympus",
    ),
    "no start": (ics("SUMMARY:Bob"), "does not say when it starts"),
    "bad start": (ics("SUMMARY:Bob\nDTSTART:soon"), "DTSTART that cannot be read"),
    "end before start": (
        ics("SUMMARY:Bob\nDTSTART:20261124T080000Z\nDTEND:20261123T080000Z"),
        "ends before it starts",
    ),
    "every second": (
        ics(f"SUMMARY:Bob{DAY}RRULE:FREQ=SECONDLY"),
        "repeats more often than every hour",
    ),
    "too many": (
        ics(*[f"SUMMARY:Bob{DAY}RRULE:FREQ=HOURLY" for _ in range(3)]),
        "more than 5000 events",
    ),
    "bad rule": (ics(f"SUMMARY:Bob{DAY}RRULE:FREQ=NEVERLY"), "RRULE that cannot be read"),
    "year 9999": (
        ics("SUMMARY:Bob\nDTSTART:20261124T080000Z\nDTEND:99991231T235959Z"),
        "repeats by a rule that cannot be read",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_calendar_is_refused_as_a_whole_and_the_last_good_one_stays(
    layer: ScheduleLayer, site: PagesServer, kind: str
) -> None:
    import_due_calendars(now=NOW)
    text, reason = BAD[kind]
    site.pages["/a.ics"] = Content(text)

    later(layer)

    assert reason in layer.calendar_error
    assert spans(layer) == [TOMORROW]


def test_one_bad_event_lets_nothing_half_imported(site: PagesServer, bob: User) -> None:
    layer = run(site, ics(f"SUMMARY:Bob{DAY}", "SUMMARY:Bob\nDTSTART:soon"))

    assert spans(layer) == []
    assert layer.calendar_error


def test_rule_that_takes_too_long_is_given_up(
    site: PagesServer, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("escalations.calendars.isolated.SECONDS", 1)
    endless = "RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30"

    layer = run(site, ics(f"SUMMARY:Bob\nDTSTART:20001201T080000Z\nDURATION:PT1H\n{endless}"))

    assert "takes too long to read" in layer.calendar_error


def test_bad_calendar_is_not_read_again_until_it_changes(
    site: PagesServer, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = run(site, b"nonsense")
    monkeypatch.setattr(calendar_imports, "read_calendar", None)

    later(layer)

    assert "does not answer with a calendar" in layer.calendar_error


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (Content(status=500), "answers 500"),
        (Content(status=404), "answers 404"),
        (Content(status=302, headers={"Location": "ftp://x/"}), "redirected to something"),
    ],
)
def test_failing_address_keeps_the_last_good_shifts(
    layer: ScheduleLayer, site: PagesServer, content: Content, reason: str
) -> None:
    import_due_calendars(now=NOW)
    good, site.pages["/a.ics"] = site.pages["/a.ics"], content
    later(layer)
    assert reason in layer.calendar_error
    assert spans(layer) == [TOMORROW]

    site.pages["/a.ics"] = good
    later(layer, 2)

    assert layer.calendar_error == ""


def test_private_address_is_refused(
    layer: ScheduleLayer, site: PagesServer, settings: Settings
) -> None:
    settings.CALENDAR_ALLOW_PRIVATE = False

    import_due_calendars(now=NOW)

    layer.refresh_from_db()
    assert "private network" in layer.calendar_error
    assert site.asked == []


def test_silent_address_ends_at_the_limit(
    site: PagesServer, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calendar_imports, "SECONDS", 0.5)
    site.pages["/slow"] = Content(drips=True)
    layer = calendar_layer(site.url("/slow"))

    import_due_calendars(now=NOW)

    layer.refresh_from_db()
    assert "did not answer" in layer.calendar_error


def test_address_without_a_server_is_told(bob: User) -> None:
    layer = calendar_layer("http://127.0.0.1:9/a.ics")

    import_due_calendars(now=NOW)

    layer.refresh_from_db()
    assert "no connection" in layer.calendar_error


def test_address_that_was_replaced_meanwhile_is_not_taken(
    layer: ScheduleLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_while_somebody_edits(*args: object, **kwargs: object) -> object:
        ScheduleLayer.objects.filter(pk=layer.pk).update(calendar_checked_at=None)
        return real(*args, **kwargs)  # type: ignore[arg-type]

    real = calendar_imports.read_calendar
    monkeypatch.setattr(calendar_imports, "read_calendar", read_while_somebody_edits)

    import_due_calendars(now=NOW)

    assert spans(layer) == []


def test_layers_that_are_over_are_not_asked(site: PagesServer, bob: User) -> None:
    calendar_layer(
        site.url("/a.ics"), starts_at=NOW - timedelta(days=9), ends_at=NOW - timedelta(days=1)
    )

    assert import_due_calendars(now=NOW) == 0


def test_past_stays_when_the_calendar_changes(
    layer: ScheduleLayer, site: PagesServer, bob: User
) -> None:
    import_due_calendars(now=NOW)
    site.pages["/a.ics"] = Content(ics(), etag='"2"')
    after = datetime(2026, 11, 24, 12, tzinfo=UTC)

    import_due_calendars(now=after)

    history = history_of([layer.schedule_id], now=after)[layer.schedule_id]
    assert on_call_at(history, after - timedelta(hours=1)) == (bob.pk,)
    assert on_call_at(history, after + timedelta(hours=1)) == ()


def test_feeds_switched_off_do_not_stop_imports(layer: ScheduleLayer) -> None:
    OnCallSettings.objects.create(calendar_feeds_enabled=False)

    assert import_due_calendars(now=NOW) == 1
    assert Schedule.objects.count() == 1
