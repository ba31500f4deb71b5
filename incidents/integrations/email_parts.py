"""Takes a mail apart: headers, the text that people read, and the names of what is attached.

RFC 5322, RFC 2045 to 2047 and RFC 2231, as far as senders keep to them. The standard library's
parser takes time that grows with lines times nesting, minutes for a hostile megabyte; here each
level is one pass, and levels, parts, headers and texts have limits. Never raises.
"""

import binascii
import codecs
import encodings
import html
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from encodings.aliases import aliases
from typing import Final

from incidents.intake.events import one_line

MAX_HEADERS: Final = 300
MAX_VALUE: Final = 4_000  # characters of one header
MAX_TYPE: Final = 1_000  # characters of a type with its parameters, which cost their square
MAX_DEPTH: Final = 8
MAX_PARTS: Final = 100
MAX_TEXT: Final = 100_000  # bytes of one text as it came; far more than an incident shows
MAX_ATTACHMENTS: Final = 50

# Without one of them at its top, a mail is taken for nothing but text.
_MAIL_HEADERS: Final = frozenset(
    {"from", "to", "subject", "date", "message-id", "received", "mime-version", "content-type"}
)
# Decoders that are no charsets of mail; some are slow, some warn, some refuse everything.
_NO_CHARSETS: Final = frozenset(
    {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem"}
)
# Python searches its folders for each charset that it does not know, and never forgets its name.
_CODECS: Final = frozenset(aliases) | {m.name for m in pkgutil.iter_modules(encodings.__path__)}
_HEADER = re.compile(rb"([!-9;-~]{1,200})[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")


@dataclass(frozen=True, slots=True)
class Attachment:
    """What was attached; its content is not kept."""

    name: str
    type: str
    size: int  # bytes, about


@dataclass(slots=True)
class Mail:
    """One mail, taken apart."""

    headers: dict[str, str] = field(default_factory=dict)  # lower-case names, first values, decoded
    texts: list[str] = field(default_factory=list)  # of text/plain
    pages: list[str] = field(default_factory=list)  # of text/html, as HTML
    attachments: list[Attachment] = field(default_factory=list)
    content_type: str = "text/plain"
    parts: int = 0

    @property
    def text(self) -> str:
        """What people read: the plain text, else the HTML without its tags."""
        plain = "\n\n".join(text for text in self.texts if text.strip())
        return plain or "\n\n".join(plain_of(page) for page in self.pages)


def read_mail(raw: bytes) -> Mail:
    """Take a mail apart, whatever it is."""
    raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    if raw.startswith(b"From "):  # the separator of a mailbox file
        raw = raw.partition(b"\n")[2]
    headers, body = _split(raw)
    if not headers.keys() & _MAIL_HEADERS:
        headers, body = {}, raw
    mail = Mail({name: decode_words(value) for name, value in headers.items()})
    mail.content_type = _typed(headers).get_content_type()
    _walk(mail, headers, body, 0)
    return mail


def _split(raw: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body; of a header that is there twice the first counts."""
    headers: dict[str, str] = {}
    position = 0
    for _ in range(MAX_HEADERS):
        match = _HEADER.match(raw, position)
        if match is None:
            break
        value = as_text(match[2][: MAX_VALUE * 4], "")
        value = " ".join(line.strip() for line in value.split("\n")).strip()[:MAX_VALUE]
        headers.setdefault(match[1].decode("ascii").lower(), value)
        position = match.end()
    else:  # too many: on to the empty line
        end = raw.find(b"\n\n", position)
        position = end + 1 if end >= 0 else len(raw)
    return headers, raw[position:].removeprefix(b"\n")


def _walk(mail: Mail, headers: dict[str, str], body: bytes, depth: int) -> None:
    if mail.parts >= MAX_PARTS:
        return
    mail.parts += 1
    typed = _typed(headers)
    kind = typed.get_content_type()
    boundary = _quietly(lambda: typed.get_boundary(""))
    if kind.startswith("multipart/") and boundary and depth < MAX_DEPTH:
        for piece in _pieces(body, boundary):
            _walk(mail, *_split(piece), depth + 1)
    elif kind == "message/rfc822" and depth < MAX_DEPTH:
        _walk(mail, *_split(body.lstrip(b"\n")), depth + 1)
    else:
        _take_leaf(mail, headers, typed, body)


def _take_leaf(mail: Mail, headers: dict[str, str], typed: Message, body: bytes) -> None:
    kind = typed.get_content_type()
    encoding = headers.get("content-transfer-encoding", "").lower()
    name = one_line(decode_words(clean(_quietly(lambda: typed.get_filename("")))), 200)
    is_attached = typed.get_content_disposition() == "attachment" or bool(name)
    is_text = kind in ("text/plain", "text/html") or kind.startswith("multipart/")
    if is_attached or not is_text:
        size = len(body)
        if encoding == "base64":
            size = len(body.translate(None, b"\n\t =")) * 3 // 4
        if len(mail.attachments) < MAX_ATTACHMENTS:
            mail.attachments.append(Attachment(name, one_line(kind, 100), size))
        return
    charset = _quietly(lambda: str(typed.get_param("charset", "")))
    text = as_text(_decoded(body[:MAX_TEXT], encoding), charset)
    (mail.pages if kind == "text/html" else mail.texts).append(text)


def _pieces(body: bytes, boundary: str) -> Iterator[bytes]:
    """What stands between the boundaries; all of it when there is none."""
    mark = re.escape(boundary.encode("utf-8", "replace")[:200])
    start: int | None = None
    found = re.finditer(rb"(?:\A|\n)--" + mark + rb"(--)?[ \t]*(?=\n|\Z)", body)
    for count, match in enumerate(found):
        if start is not None:
            yield body[start : match.start()]
        start = match.end() + 1
        if match[1] or count > MAX_PARTS:
            return
    yield body[start or 0 :]


def _decoded(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "base64":
            return _from_base64(body)
        case "quoted-printable":
            return binascii.a2b_qp(body)
        case _:
            return body


def _from_base64(body: bytes) -> bytes:
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
    if len(letters) % 4 == 1:  # cut short
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def as_text(raw: bytes, charset: str) -> str:
    """Bytes as text, by the charset that they claim if it is one; never fails."""
    name = charset.strip().lower()
    if encodings.normalize_encoding(name) not in _CODECS:
        name = ""
    try:
        codec = codecs.lookup(name).name if name else ""
        if codec and codec not in _NO_CHARSETS and codec != "ascii":
            return clean(raw.decode(codec, "replace"))
    except (LookupError, ValueError):
        pass  # unknown, or no charset at all
    try:
        return clean(raw.decode())
    except UnicodeDecodeError:
        return clean(raw.decode("latin-1"))


def decode_words(value: str) -> str:
    """A header with its encoded words (RFC 2047) decoded; broken ones stay as they are."""
    found: list[str] = []
    charset, waiting, position = "", b"", 0
    for match in _WORD.finditer(value):
        gap = value[position : match.start()]
        name = match[1].partition("*")[0].lower()
        is_first = position == 0
        if gap.strip() or is_first or name != charset:
            found.append(as_text(waiting, charset))
            found.append(gap if gap.strip() or is_first else "")
            waiting = b""
        charset = name
        waiting += _word(match[2].lower(), match[3])  # a letter may be cut by the end of a word
        position = match.end()
    return "".join([*found, as_text(waiting, charset), value[position:]])


def _word(encoding: str, text: str) -> bytes:
    raw = text.encode("latin-1", "replace")
    return _from_base64(raw) if encoding == "b" else binascii.a2b_qp(raw.replace(b"_", b" "))


def clean(text: str) -> str:
    """Text that can be stored: no NUL and no lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _typed(headers: dict[str, str]) -> Message:
    """What the standard library makes of the type, its parameters and the disposition."""
    message = Message()
    for name in ("content-type", "content-disposition"):
        if value := headers.get(name):
            message[name] = value[:MAX_TYPE]
    return message


def _quietly(read: Callable[[], str | None]) -> str:
    """A parameter of a header; "" where the standard library stumbles over it."""
    try:
        return read() or ""
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""


_TAG = re.compile(r"(<[^<>]*>)")
_TAG_NAME = re.compile(r"</?([a-z][a-z0-9]*)", re.IGNORECASE)
_HIDDEN: Final = frozenset({"script", "style", "head", "title"})
_BREAKS: Final = frozenset(
    {"br", "p", "div", "tr", "li", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "pre"}
)


def plain_of(page: str) -> str:
    """The text of an HTML page: lines where it has lines, no tags.

    Not the standard library's HTML parser, whose time grows with the square of broken input.
    """
    shown: list[str] = []
    hidden_by = ""  # the tag, or "-->", that ends what is not shown
    for token in _TAG.split(page):
        if hidden_by == "-->":
            if "-->" in token:
                hidden_by = ""
            continue
        tag = _TAG_NAME.match(token)
        name = tag[1].lower() if tag else ""
        if hidden_by:
            # Some forget to end the head.
            if name == "body" or (token.startswith("</") and name == hidden_by):
                hidden_by = ""
        elif "<!--" in token and "-->" not in token:
            shown.append(token.partition("<!--")[0])
            hidden_by = "-->"
        elif not token.startswith("<"):
            shown.append(html.unescape(token))
        elif name in _HIDDEN and not token.startswith("</"):
            hidden_by = name
        elif name in _BREAKS:
            shown.append("\n")
        elif name in ("td", "th"):
            shown.append(" ")
    lines = (re.sub(r"\s+", " ", line).strip() for line in "".join(shown).split("\n"))
    return clean(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip())
