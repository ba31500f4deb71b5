"""How long a text message is, and making one short enough. A long one is billed many times."""

from bisect import bisect_left
from collections.abc import Callable

# GSM 03.38, the alphabet in which a letter costs seven bits; its extension costs twice as much.
# One letter beyond it, and the whole message costs sixteen bits a letter.
GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("^{}\\[~]|€\f")
# A message of one part has room for a little more than the parts of a longer one.
GSM_SINGLE, GSM_PART = 160, 153
WIDE_SINGLE, WIDE_PART = 70, 67
ELLIPSIS = "..."  # three letters of GSM; the single sign is none

# Marks that word processors put in, and their plain twins: a no-break space would double the price.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032`\u00b4", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f\t", " "),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
        **dict.fromkeys("•·▪", "*"),
        "…": ELLIPSIS,
        "→": "->",
        "\u00d7": "x",
    }
)


def plain(text: str) -> str:
    """The text with marks that have a plain twin in GSM replaced by it; letters stay."""
    return text.translate(_PLAIN)


def is_gsm(text: str) -> bool:
    """Whether seven bits a letter are enough."""
    return all(letter in GSM_BASIC or letter in GSM_EXTENSION for letter in text)


def count_parts(text: str) -> int:
    """How many messages a telephone company makes, and bills, out of it."""
    if is_gsm(text):
        size = len(text) + sum(letter in GSM_EXTENSION for letter in text)
        return 1 if size <= GSM_SINGLE else -(-size // GSM_PART)
    size = len(text.encode("utf-16-be")) // 2
    return 1 if size <= WIDE_SINGLE else -(-size // WIDE_PART)


def fit(before: str, text: str, after: str, *, parts: int) -> str:
    """All three together in at most so many parts; `text` is cut at its end, as far as it takes.

    Where even leaving it out is not enough, everything is cut.
    """
    text = text[: parts * GSM_SINGLE + 1]  # no more than this has ever room

    def cut_at(end: int) -> str:
        kept = text if end == len(text) else text[:end].rstrip() + ELLIPSIS
        return before + kept + after

    if (end := _longest(len(text), lambda end: count_parts(cut_at(end)) <= parts)) is not None:
        return cut_at(end)
    rest = before + after
    return rest[: _longest(len(rest), lambda end: count_parts(rest[:end]) <= parts)]


def _longest(most: int, fits: Callable[[int], bool]) -> int | None:
    """The largest length that fits; less of something never takes more parts. None: not even 0."""
    lengths = range(most, -1, -1)
    found = bisect_left(lengths, True, key=fits)
    return lengths[found] if found < len(lengths) else None
