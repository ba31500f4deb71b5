"""How long a text message is, and making one short enough."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.sms_text import count_parts, fit, is_gsm, plain


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),  # costs two letters
        ("€" * 81, 2),
        ("Ä" * 160, 1),  # is one of seven bits
        ("ł" + "a" * 69, 1),  # one letter beyond the alphabet, and all cost sixteen bits
        ("ł" + "a" * 70, 2),
        ("😀" * 35, 1),  # costs two letters of sixteen bits
        ("😀" * 36, 2),
    ],
)
def test_parts_are_counted_as_telephone_companies_bill_them(text: str, parts: int):
    assert count_parts(text) == parts


def test_marks_of_word_processors_do_not_double_the_price():
    text = "“Disk” – 5\u00a0% left… don’t wait"  # noqa: RUF001

    assert plain(text) == '"Disk" - 5 % left... don\'t wait'
    assert is_gsm(plain(text))


def test_letters_of_other_alphabets_stay():
    assert plain("Płatności") == "Płatności"


@given(st.text(max_size=40), st.text(max_size=400), st.text(max_size=40))
def test_what_was_made_to_fit_fits(before: str, text: str, after: str):
    message = fit(before, text, after, parts=2)

    assert count_parts(message) <= 2
    assert message.startswith(before)
    assert message.endswith(after)


def test_what_fits_is_not_cut():
    assert fit("a", "b" * 300, "c", parts=2) == "a" + "b" * 300 + "c"


def test_no_more_is_cut_than_must_be():
    message = fit("", "x" * 200, "!", parts=1)

    assert message == "x" * 156 + "...!"


def test_a_cut_leaves_no_blank_before_the_dots():
    assert fit("", "x" * 156 + " " + "x" * 10, "", parts=1) == "x" * 156 + "..."


def test_a_text_without_end_is_cut_in_no_time():
    began = time.process_time()

    message = fit("", "Диск " * 100_000, "!", parts=2)

    assert count_parts(message) == 2
    assert time.process_time() - began < 0.5


def test_everything_is_cut_where_nothing_else_helps():
    assert fit("a" * 200, "b", "c" * 200, parts=1) == "a" * 160
