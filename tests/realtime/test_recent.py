"""What was sent in the last seconds."""

from realtime.recent import KEEP_EVENTS, KEEP_SECONDS, RecentEvents


def test_a_page_gets_what_was_sent_since_it_was_read_in_order() -> None:
    recent = RecentEvents()
    recent.start(0)
    for second in (1, 2, 3):
        recent.remember(["everybody"], b"%d" % second, second)

    assert recent.since(1.5, {"everybody"}, now=3) == [b"2", b"3"]


def test_a_page_gets_only_its_own_channels() -> None:
    recent = RecentEvents()
    recent.start(0)
    recent.remember(["team-1", "user-1"], b"secret", 1)

    assert recent.since(0.5, {"everybody", "team-2"}, now=1) == []
    assert recent.since(0.5, {"everybody", "team-1"}, now=1) == [b"secret"]


def test_nothing_is_known_from_before_the_start() -> None:
    recent = RecentEvents()
    recent.start(5)

    assert recent.since(4.9, {"everybody"}, now=6) is None
    assert recent.since(5, {"everybody"}, now=6) == []


def test_nothing_is_known_while_stopped() -> None:
    recent = RecentEvents()
    recent.start(0)
    recent.stop()

    assert recent.since(1, {"everybody"}, now=1) is None


def test_what_is_too_old_is_forgotten_and_known_to_be_missing() -> None:
    recent = RecentEvents()
    recent.start(0)
    recent.remember(["everybody"], b"old", 1)
    now = 2 + KEEP_SECONDS

    assert recent.since(0.5, {"everybody"}, now=now) is None
    assert recent.since(1.5, {"everybody"}, now=now) == []


def test_only_so_many_are_kept() -> None:
    recent = RecentEvents()
    recent.start(0)
    for number in range(KEEP_EVENTS + 10):
        recent.remember(["everybody"], b"%d" % number, 1 + number / 1000)

    assert recent.since(0, {"everybody"}, now=2) is None
    kept = recent.since(1.02, {"everybody"}, now=2)
    assert kept is not None
    assert kept[-1] == b"%d" % (KEEP_EVENTS + 9)
