"""Who keeps senders busy."""

from notifications.senders import SLOW_SECONDS, Senders

HOST = "https://hooks.example.com"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def busy(*addresses: str) -> tuple[Senders[int], Clock]:
    clock = Clock()
    senders: Senders[int] = Senders(20, clock)
    for key, address in enumerate(addresses):
        senders.start(key, address)
    return senders, clock


def test_a_host_that_answers_quickly_may_have_every_sender_and_no_more():
    senders, clock = busy(*[f"{HOST}/{n}" for n in range(20)])
    clock.now += SLOW_SECONDS / 2

    assert senders.free() == 0
    assert not any(senders.crowd())


def test_a_slow_host_gives_its_senders_back_and_gets_no_more_until_its_calls_end():
    senders, clock = busy(*[f"{HOST}/{n}" for n in range(20)])
    clock.now += SLOW_SECONDS * 2
    full = senders.free(), senders.crowd().hosts

    for key in range(11):
        senders.end(key)

    assert full == (20, ["hooks.example.com"])
    assert (senders.free(), senders.crowd().hosts) == (20, [])


def test_a_slow_address_is_not_taken_for_its_host():
    senders, clock = busy(*[f"{HOST}/hung"] * 20)
    clock.now += SLOW_SECONDS * 2
    alone = senders.crowd()

    for key in range(20, 25):
        senders.start(key, f"{HOST}/hung-too")
    clock.now += SLOW_SECONDS * 2

    assert alone == ([], [f"{HOST}/hung"])
    assert senders.crowd().hosts == ["hooks.example.com"]


def test_senders_do_not_grow_without_end():
    senders, clock = busy(*[f"https://{n}.example.com/" for n in range(60)])
    clock.now += SLOW_SECONDS * 2

    assert senders.free() == 0


def test_slow_accounts_at_providers_get_no_more_senders():
    senders, clock = busy(*[""] * 20)
    clock.now += SLOW_SECONDS * 2

    assert senders.free() == 0
    assert not any(senders.crowd())
    assert senders.has_slow()
