"""How to set up each vendor: one `<kind>.md` for each kind of integration.

A file begins with the address of the vendor's documentation ("-": there is none, the format is
ours), then comes a little Markdown: `##` headings, paragraphs, `1.` and `-` lists whose items may
hold paragraphs and code, fenced code with a label (```` ```label ````), `**bold**`, `code` and
`[links](address)`. Nothing else, no HTML.

Placeholders: @URL@ (the integration's address), @KEY@, @BASE@ (where OpsKnight is), @MAILDOMAIN@,
and as targets of links @SECURITY@, @SIMULATOR@, @DELIVERIES@, @RULES@.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent

_INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|\[(?P<text>[^\]]+)\]\((?P<href>[^)\s]+)\)"
)
_PLACEHOLDER = re.compile(r"@([A-Z]+)@")
_ITEM = re.compile(r"(?:(\d+)\.|-) +")
_FENCE = "```"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line: plain text, or "code", "bold" or a "link"."""

    text: str
    style: str = ""
    href: str = ""
    is_outside: bool = False  # leads away from this installation


@dataclass(frozen=True, slots=True)
class Block:
    """A "heading", a "paragraph", "code", or a list ("ol", "ul") of items made of blocks."""

    kind: str
    spans: Sequence[Span] = ()
    label: str = ""  # of code
    text: str = ""  # of code
    items: "Sequence[Sequence[Block]]" = ()


@dataclass(frozen=True, slots=True)
class Guide:
    """A guide with its values filled in."""

    docs: str  # the vendor's documentation, or nothing
    blocks: Sequence[Block]


def guide_of(kind: str, values: Mapping[str, str]) -> Guide:
    """The guide of a kind; `values` fills the placeholders, by their names without @."""
    docs, text = _read(kind)
    return Guide(docs, _Reader(values).blocks(text.splitlines()))


@cache
def _read(kind: str) -> tuple[str, str]:
    docs, _, text = (FOLDER / f"{kind}.md").read_text(encoding="utf-8").partition("\n")
    return docs.strip().removeprefix("-"), text


class _Reader:
    """Turns lines into blocks. Values are filled in last, so that no value becomes markup."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def blocks(self, lines: Sequence[str]) -> list[Block]:
        """The blocks of these lines."""
        found: list[Block] = []
        queue = list(lines)
        while queue:
            line = queue[0]
            if not line.strip():
                queue.pop(0)
            elif line.startswith("## "):
                found.append(Block("heading", self._spans(queue.pop(0)[3:])))
            elif line.startswith(_FENCE):
                found.append(self._code(queue))
            elif _ITEM.match(line):
                found.append(self._list(queue))
            else:
                text = " ".join(part.strip() for part in _taken(queue, _is_text))
                found.append(Block("paragraph", self._spans(text)))
        return found

    def _code(self, queue: list[str]) -> Block:
        label = queue.pop(0).removeprefix(_FENCE).strip()
        text = "\n".join(_taken(queue, lambda line: not line.startswith(_FENCE)))
        queue[:1] = []  # the closing fence
        return Block("code", label=self._filled(label), text=self._filled(text))

    def _list(self, queue: list[str]) -> Block:
        is_ordered = queue[0][0].isdigit()
        items: list[Sequence[Block]] = []
        while queue and (match := _ITEM.match(queue[0])):
            if bool(match[1]) != is_ordered:
                break
            indent = " " * match.end()
            first = queue.pop(0)[match.end() :]
            rest = [line.removeprefix(indent) for line in _taken(queue, _is_within(indent))]
            items.append(self.blocks([first, *rest]))
        return Block("ol" if is_ordered else "ul", items=items)

    def _spans(self, text: str) -> list[Span]:
        spans = []
        position = 0
        for match in _INLINE.finditer(text):
            if match.start() > position:
                spans.append(Span(self._filled(text[position : match.start()])))
            spans.append(self._span(match))
            position = match.end()
        if position < len(text):
            spans.append(Span(self._filled(text[position:])))
        return spans

    def _span(self, match: re.Match[str]) -> Span:
        if code := match["code"]:
            return Span(self._filled(code), "code")
        if bold := match["bold"]:
            return Span(self._filled(bold), "bold")
        href = self._filled(match["href"])
        if not href.startswith(("/", "https://")):
            return Span(match["text"])  # a page that does not exist here
        return Span(match["text"], "link", href, is_outside=href.startswith("https://"))

    def _filled(self, text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: self._values.get(found[1], ""), text)


def _is_text(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("## ", _FENCE)) and not _ITEM.match(line)


def _is_within(indent: str) -> Callable[[str], bool]:
    return lambda line: not line.strip() or line.startswith(indent)


def _taken(queue: list[str], wanted: Callable[[str], bool]) -> Iterator[str]:
    """Take lines from the front while they are wanted."""
    while queue and wanted(queue[0]):
        yield queue.pop(0)
