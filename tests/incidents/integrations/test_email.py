"""Mails as alerts: what is read, what belongs together, and that nothing breaks the parser."""

import encodings
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents.intake.decoding import storable
from incidents.intake.events import Event, InvalidPayload, Unsupported
from incidents.integrations.email_message import key_of, parse, suffix_of
from incidents.integrations.email_parts import decode_words, plain_of, read_mail
from incidents.integrations.email_subject import read_subject
from tests.incidents.integrations.fuzzing import check

TO = "0123456789abcdef0123456789abcdef@alerts.example.com"
TO_DISK = "0123456789abcdef0123456789abcdef+disk-db-1@alerts.example.com"


def read(raw: bytes, to: str = TO) -> Event:
    [event] = parse({"x-envelope-to": to, "x-envelope-from": "nagios@example.com"}, {}, raw)
    return event


def mail(subject: str = "Disk full", text: str = "98 %", **headers: str) -> bytes:
    message = EmailMessage()
    message["From"] = "Nagios <nagios@example.com>"
    message["Subject"] = subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes()


# Subjects


@pytest.mark.parametrize(
    ("subject", "action", "severity", "key"),
    [
        # Alertmanager, Grafana
        ("[FIRING:1] DiskFull (db-1)", "trigger", None, "diskfull (db-1)"),
        ("[RESOLVED] DiskFull (db-1)", "resolve", None, "diskfull (db-1)"),
        # Zabbix
        ("Problem: Disk full on db-1", "trigger", None, "disk full on db-1"),
        ("Resolved in 5m 3s: Disk full on db-1", "resolve", None, "disk full on db-1"),
        # Nagios
        ("** PROBLEM Host Alert: db-1 is DOWN **", "trigger", None, "host alert: db-1"),
        ("** RECOVERY Host Alert: db-1 is UP **", "resolve", None, "host alert: db-1"),
        ("** ACKNOWLEDGEMENT Host Alert: db-1 is DOWN **", "acknowledge", None, "host alert: db-1"),
        # Icinga
        ("[PROBLEM] HTTP on web1 is CRITICAL!", "trigger", "critical", "http on web1"),
        ("[RECOVERY] HTTP on web1 is OK!", "resolve", None, "http on web1"),
        # Amazon CloudWatch
        ('ALARM: "cpu" in EU (Ireland)', "trigger", None, '"cpu" in eu (ireland)'),
        ('OK: "cpu" in EU (Ireland)', "resolve", None, '"cpu" in eu (ireland)'),
        # Datadog: a tag before the state
        ("[Monitor Alert] Triggered: Slow", "trigger", None, "[monitor alert] slow"),
        ("[Monitor Alert] Recovered: Slow", "resolve", None, "[monitor alert] slow"),
        # Healthchecks
        ("🔴 DOWN | web", "trigger", None, "web"),
        ("✅ UP | web", "resolve", None, "web"),
        # severities
        ("[P2] Payment slow", None, "error", "payment slow"),
        ("Warning: Backup late", None, "warning", "backup late"),
        ("[CRITICAL] RESOLVED: Disk", "resolve", "critical", "disk"),
        # answers and forwards belong to what they answer
        ("Re: Fwd: AW: [prod] Disk full", None, None, "[prod] disk full"),
        # nothing but a state
        ("RECOVERY", "resolve", None, ""),
        # words of a sentence are no states
        ("Up and running", None, None, "up and running"),
        ("UP-time is bad", None, None, "up-time is bad"),
        ("Unresolved: Disk", None, None, "unresolved: disk"),
        ("LOW disk space", None, None, "low disk space"),
        ("Ok, here is the report", None, None, "ok, here is the report"),
        ("Okay", None, None, "okay"),
        ("Disk is full", None, None, "disk is full"),
        ("Problem in Graz: Disk", None, None, "problem in graz: disk"),
        ("http://web-1 does not answer", None, None, "http://web-1 does not answer"),
        ("/var is at -5 °C", None, None, "/var is at -5 °c"),
        ("", None, None, ""),
        ("!!!", None, None, ""),
    ],
)
def test_subject_says_state_and_topic(
    subject: str, action: str | None, severity: str | None, key: str
) -> None:
    found = read_subject(subject)

    assert (found.action, found.severity, found.key) == (action, severity, key)


def test_topic_of_long_subjects_is_told_to_the_end() -> None:
    first, second = (read(mail("x" * 300 + end)).dedup_key for end in ("a", "b"))

    assert first != second


# What a mail says


def test_mail_becomes_an_event() -> None:
    raw = mail(
        "[WARNING] Disk full on db-1",
        "98 % of /var\nis used",
        Date="Mon, 23 Nov 2026 10:00:00 +0100",
        Message_ID="<1@example.com>",
    )

    event = read(raw)

    assert event.action == "trigger"
    assert event.summary == "[WARNING] Disk full on db-1"
    assert event.dedup_key == "email-disk-full-on-db-1"
    assert event.severity == "warning"
    assert event.source == "nagios@example.com"
    assert event.description == "98 % of /var\nis used"
    assert event.occurred_at == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert event.details["message_id"] == "<1@example.com>"


def test_without_a_word_about_it_the_severity_is_critical() -> None:
    assert read(mail()).severity == "critical"


def test_answer_belongs_to_what_it_answers() -> None:
    answer = mail("Re: Disk full", In_Reply_To="<1@example.com>")

    assert read(answer).dedup_key == read(mail("Disk full")).dedup_key


def test_suffix_of_the_address_is_the_key() -> None:
    assert read(mail("One"), TO_DISK).dedup_key == "disk-db-1"
    assert read(mail("RESOLVED: Another"), TO_DISK).dedup_key == "disk-db-1"


@pytest.mark.parametrize(
    ("address", "key", "suffix"),
    [
        ("abc@example.com", "abc", ""),
        ("<abc+disk@example.com>", "abc", "disk"),
        ("abc+disk+db@example.com", "abc", "disk+db"),
        ('"abc+disk db"@example.com', "abc", "disk db"),
        ("abc+@example.com", "abc", ""),
        ("", "", ""),
        ("nonsense", "", ""),
    ],
)
def test_address_is_key_and_suffix(address: str, key: str, suffix: str) -> None:
    assert (key_of(address), suffix_of(address)) == (key, suffix)


def test_mail_without_subject_is_named_by_its_text_or_sender() -> None:
    assert read(b"From: a@example.com\n\nDisk full\nmore").summary == "Disk full"
    assert read(b"From: a@example.com\n\n").summary == "E-mail from a@example.com"
    assert read(b"Disk full\n").summary == "Disk full"


def test_text_that_looks_like_a_header_is_text() -> None:
    assert read(b"Disk: full\nHost: db-1\n").description == "Disk: full\nHost: db-1"


def test_empty_mail_is_refused_by_name() -> None:
    with pytest.raises(InvalidPayload) as refused:
        read(b"\r\n\r\n")

    assert list(refused.value.fields) == ["body"]


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("=?utf-8?q?Speicher_voll_=E2=80=93_db-1?=", "Speicher voll \u2013 db-1"),
        ("=?iso-8859-1?Q?R=FCckfall?= db", "Rückfall db"),
        ("=?utf-8?B?w6RiYw==?= =?utf-8?B?w7Y=?=", "äbcö"),
        ("=?utf-8?B?4oI=?= =?utf-8?B?rA==?=", "\u20ac"),  # one letter in two words
        ("=?utf-8?B?w6RiYw=?=", "äbc"),  # cut short
        ("=?no-such?q?=41=42?=", "AB"),
        ("=?utf-8*en?q?caf=C3=A9?=", "café"),
        ("=?idna?q?xn--?= =?unicode_escape?q?=5Cd?=", "xn--\\d"),
        ("=?utf-7?q?+2AA-x?=", "?x"),  # half of a letter cannot be stored
        ("=?utf-8?q?open", "=?utf-8?q?open"),
    ],
)
def test_encoded_words_are_read(subject: str, shown: str) -> None:
    assert decode_words(subject) == shown


def test_raw_letters_in_headers_are_read() -> None:
    assert read("Subject: Rückfall\n\n".encode()).summary == "Rückfall"
    assert read("Subject: Rückfall\n\n".encode("latin-1")).summary == "Rückfall"


def test_folded_headers_are_one_line() -> None:
    assert read(b"Subject: Disk\r\n full\r\n\ton db-1\r\n\r\n").summary == "Disk full on db-1"


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("utf-8", "Größe".encode()),
        ("iso-8859-1", "Größe".encode("latin-1")),
        ("us-ascii", "Größe".encode()),  # it is not, as so often
        ("no-such-charset", "Größe".encode()),
        ("utf-16", "Größe".encode("utf-16")),
        ("", "Größe".encode("latin-1")),
    ],
)
def test_text_is_read_in_its_charset(charset: str, body: bytes) -> None:
    head = f"Subject: x\nContent-Type: text/plain; charset={charset}\n\n".encode()

    assert read(head + body.replace(b"\n", b"")).description == "Größe"


def test_html_is_stripped_to_its_text() -> None:
    page = """<html><head><title>No</title><style>p {color: red}</style></head>
    <body><!-- no --><!--[if mso]><p>no</p><![endif]--><h1>Disk&nbsp;full</h1>
    <p>98&#37; of <b>/var</b><br>on db-1</p><script>alert("no")</script>
    <table><tr><td>host</td><td>db-1</td></tr></table></body></html>"""

    assert " ".join(plain_of(page).split()) == "Disk full 98% of /var on db-1 host db-1"


def test_head_that_never_ends_hides_no_text() -> None:
    assert plain_of("<head><style>x<body>Disk full") == "Disk full"


def test_plain_text_is_preferred_to_html() -> None:
    message = EmailMessage()
    message["Subject"] = "x"
    message.set_content("plain")
    message.add_alternative("<p>html</p>", subtype="html")

    assert read(message.as_bytes()).description == "plain"


def test_attachments_are_named_and_dropped() -> None:
    message = EmailMessage()
    message["Subject"] = "x"
    message.set_content("See the log.")
    message.add_attachment(b"secret" * 100, "application", "zip", filename="Größe.zip")
    message.add_attachment("a log", filename="log.txt")

    event = read(message.as_bytes())

    assert event.description == "See the log."
    assert event.details["attachments"] == [
        {"name": "Größe.zip", "type": "application/zip", "bytes": 600},
        {"name": "log.txt", "type": "text/plain", "bytes": 6},
    ]


def test_mail_forwarded_as_attachment_is_read() -> None:
    inner = b"Subject: inner\nContent-Type: text/plain\n\nDisk full"
    raw = (
        b"Subject: Fwd: Disk\nContent-Type: multipart/mixed; boundary=b\n\n"
        b"--b\nContent-Type: message/rfc822\n\n" + inner + b"\n--b--\n"
    )

    assert read(raw).description == "Disk full"


def test_boundary_that_begins_like_another_is_no_boundary() -> None:
    raw = (
        b"Subject: x\nContent-Type: multipart/mixed; boundary=a\n\npreamble\n"
        b"--a\nContent-Type: multipart/alternative; boundary=ab\n\n"
        b"--ab\n\ninner\n--ab--\n--a\n\nouter\n--a--\nepilogue"
    )

    assert read(raw).description == "inner\n\nouter"


@pytest.mark.parametrize(
    ("date", "year"),
    [("Mon, 23 Nov 2026 10:00:00 -0000", 2026), ("tomorrow", None), ("0" * 3000, None), ("", None)],
)
def test_date_is_read_or_left_out(date: str, year: int | None) -> None:
    found = read(f"Subject: x\nDate: {date}\n\n".encode()).occurred_at

    assert (found and found.year) == year


# What is no alert


@pytest.mark.parametrize(
    "header",
    [
        b"Auto-Submitted: auto-replied",
        b"Auto-Submitted: auto-replied; owner-email=x",
        b"Precedence: auto_reply",
        b"X-Autoreply: yes",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=x",
        b"X-OpsKnight-Incident: 17",
    ],
)
def test_loops_are_ignored(header: bytes) -> None:
    with pytest.raises(Unsupported):
        read(header + b"\nSubject: Disk full\n\n")


def test_empty_sender_is_ignored() -> None:
    with pytest.raises(Unsupported):
        parse({"x-envelope-from": "<>"}, {}, mail())


def test_mail_of_a_program_is_an_alert() -> None:
    assert read(mail(Auto_Submitted="auto-generated")).action == "trigger"


# Bad input

HEADERS = st.sampled_from(
    [
        b"From: Nagios <nagios@example.com>",
        b"From: =?utf-8?q?=?= <",
        b"Subject: [RESOLVED] =?utf-8?B?4oI?=",
        b"Subject: \xff\xfe\x00",
        b"Date: Mon, 99 Nov 99999 99:99:99 +9999",
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: multipart/mixed; boundary*0*=utf-8''b; boundary*1=",
        b'Content-Type: text/html; charset="\xff"',
        b"Content-Type: text/plain; charset=utf-7",
        b"Content-Type: text/plain; charset*=no''%ff",
        b"Content-Type: message/rfc822",
        b"Content-Type: ;;;===",
        b"Content-Disposition: attachment; filename*0*=''%E4%; filename*9=x",
        b"Content-Disposition: ;",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: quoted-printable",
        b"Content-Transfer-Encoding: \xe9",
        b"Message-ID: <" + b"(" * 5_000,
        b"From: " + b"(" * 5_000,
        b"",
    ]
)
PIECES = st.one_of(
    st.sampled_from([b"--b", b"--b--", b"<p>", b"<!--", b"&#999999999;", b"=\xff=4", b"...", b""]),
    HEADERS,
    st.binary(max_size=50),
)


@settings(
    max_examples=600,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    headers=st.lists(HEADERS, max_size=8),
    body=st.lists(PIECES, max_size=20),
    end=st.sampled_from([b"\r\n", b"\n", b"\r", b""]),
    envelope=st.sampled_from([TO, TO_DISK, "", "+@", "\udcff@x", '"']),
)
def test_bad_input_is_refused_by_name(
    headers: list[bytes], body: list[bytes], end: bytes, envelope: str
) -> None:
    raw = end.join([*headers, b"", *body])

    check(parse_storable, raw, {"x-envelope-to": envelope})


def parse_storable(
    headers: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> list[Event]:
    """Parse, and see that PostgreSQL would take the texts: no lone surrogates, no NUL."""
    events = parse(headers, query, body)
    for event in events:
        texts = (event.summary, event.source, event.description, event.dedup_key)
        assert "\x00" not in str([*texts, event.details])
        assert all(text.encode().decode() == text for text in texts)
        assert storable(event.details) == event.details
    return events


@pytest.mark.parametrize(
    "raw",
    [
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n)
            for n in range(20_000)
        ),
        b"Subject: x\nContent-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n\n" * 150_000,
        b"Content-Type: message/rfc822\n\n" * 30_000,
        b"Subject: x\nContent-Type: text/html\n\n" + b"<a " * 300_000,
        b"Subject: x\nContent-Type: text/html\n\n" + b"<!--" * 250_000,
        b'Subject: x\nContent-Type: text/html\n\n<p title="' * 20_000,
        b"Subject: " + b" " * 1_000_000 + b"x",
        b"Subject: x" + b"\n " * 500_000,
        b"Subject: " + b"=?utf-8?q?a?= " * 70_000,
        b"From: " + b"(" * 1_000_000,
        b"Content-Type: text/plain" + b";" * 1_000_000,
        b"X: y\n" * 200_000,
        b"Subject: x\n"
        + b"".join(
            b"X%d: %b\n" % (n, b"".join(b"=?z%d-%d?q??=" % (n, m) for m in range(300)))
            for n in range(250)
        ),
        b"Content-Type: multipart/mixed; boundary=a\n\n"
        + (b'--a\nContent-Type: text/plain; a="' + b'\\";' * 1_300 + b"\n\nx\n") * 200,
        b"\n" * 1_000_000 + b"x",
        bytes(range(256)) * 40_000,  # ten megabytes of nonsense
    ],
)
def test_hostile_mails_cost_no_time(raw: bytes) -> None:
    began = time.process_time()

    check(parse, raw, {"x-envelope-to": TO})

    assert time.process_time() - began < 0.7


def test_unknown_charsets_are_forgotten() -> None:
    before = len(encodings._cache)  # Python's own memory of them

    read_mail(b"Subject: " + b"".join(b"=?none-%d?q?a?=" % n for n in range(100)))

    assert len(encodings._cache) == before


def test_parts_and_levels_have_limits() -> None:
    wide = b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 1_000

    assert read_mail(wide).parts == 100
