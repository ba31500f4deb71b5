"""What people write back, understood whatever their telephone makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.reply_grammar import Names, Reply, Verb, parse_reply

ACK, CLOSE = Verb.ACKNOWLEDGE, Verb.RESOLVE


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        # E1: words and bare letters.
        ("ack198", Reply(ACK, Names.EITHER, 198)),
        ("ack 198", Reply(ACK, Names.EITHER, 198)),
        ("  ack 198   ", Reply(ACK, Names.EITHER, 198)),
        ("ACK #198", Reply(ACK, Names.INCIDENT, 198)),
        ("#198 ack", Reply(ACK, Names.INCIDENT, 198)),
        ("a", Reply(ACK)),
        ("Ack.", Reply(ACK)),
        ("acknowledged", Reply(ACK)),
        ("acknowlege 3", Reply(ACK, Names.EITHER, 3)),
        ("c", Reply(CLOSE)),
        ("close", Reply(CLOSE)),
        ("Resolve 12", Reply(CLOSE, Names.EITHER, 12)),
        ("e", Reply(Verb.ESCALATE)),
        # E3: codes, in quotes and with blanks inside.
        ("1a", Reply(ACK, Names.CODE, 1)),
        ("1 a", Reply(ACK, Names.CODE, 1)),
        ("'1c'", Reply(CLOSE, Names.CODE, 1)),
        ("\u201c1 c\u201d", Reply(CLOSE, Names.CODE, 1)),  # as a telephone curls them
        ("\u2018 1a \u2019", Reply(ACK, Names.CODE, 1)),
        ("1a\u200b\n", Reply(ACK, Names.CODE, 1)),  # an invisible blank
        ("\uff11\uff41", Reply(ACK, Names.CODE, 1)),  # wide letters
        ("1 ack!", Reply(ACK, Names.CODE, 1)),
        ("10e", Reply(Verb.ESCALATE, Names.CODE, 10)),
        # Bundles.
        ("100aa", Reply(ACK, Names.CODE, 100, is_for_all=True)),
        ("100 AA", Reply(ACK, Names.CODE, 100, is_for_all=True)),
        ("100cc", Reply(CLOSE, Names.CODE, 100, is_for_all=True)),
        ("aa", Reply(ACK, is_for_all=True)),
        ("ack all", Reply(ACK, is_for_all=True)),
        ("close all", Reply(CLOSE, is_for_all=True)),
        ("closeall", Reply(CLOSE, is_for_all=True)),
        ("ack all 3", Reply(ACK, Names.CODE, 3, is_for_all=True)),
        # Those of the telephone companies; T16: blanks are no reason to go on.
        ("stop", Reply(Verb.STOP)),
        ("stop ", Reply(Verb.STOP)),
        ("\tSTOP.\r\n", Reply(Verb.STOP)),
        ("Stop all", Reply(Verb.STOP)),
        ("UNSUBSCRIBE", Reply(Verb.STOP)),
        ("Start", Reply(Verb.START)),
    ],
)
def test_e3_forgiving_replies_are_understood(text: str, reply: Reply) -> None:
    assert parse_reply(text) == reply


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "what is this?",
        "1",
        "1b",
        "a b",
        "1a 2a",  # two answers in one
        "do not ack 12",
        "please stop",  # no command: it must be the whole message
        "a1a",
        "1234567890a",  # no incident has such a number
        "\u0661a",  # a digit of another script
        "all",
        "1 all",
    ],
)
def test_e4_nonsense_is_not_understood(text: str) -> None:
    assert parse_reply(text) is None


@given(st.text(max_size=40))
def test_no_text_is_too_strange_to_be_read(text: str) -> None:
    reply = parse_reply(text)

    assert reply is None or 0 <= reply.number < 10**9
