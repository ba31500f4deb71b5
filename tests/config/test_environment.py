"""Each environment variable is read in config/ only, and each is documented."""

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from config.env import (
    PROVIDER_VARIABLES,
    Secrets,
    database_from_url,
    env,
    mail_domain,
    sns_endpoint,
)
from tests.stack import ROOT

READ = re.compile(r"""\benv\.\w+\(\s*["']([A-Z_]+)["']""")
# Read by docker-compose.yml alone.
COMPOSE_ONLY = {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
APPS = ("opsknight", "realtime", "incidents", "notifications", "escalations")


def variables_read() -> set[str]:
    sources = "\n".join(path.read_text() for path in (ROOT / "config").glob("*.py"))
    of_providers = {name for names in PROVIDER_VARIABLES.values() for name in names.values()}
    return set(READ.findall(sources)) | set(Secrets.__annotations__) | of_providers


def python_files(folders: Iterable[str]) -> list[Path]:
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")]


def test_every_variable_has_a_line_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()

    names = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))

    assert names == variables_read() | COMPOSE_ONLY


def test_every_line_of_the_example_has_a_comment_and_no_value() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()

    bad = [
        line
        for before, line in pairwise(lines)
        if line and not line.startswith("#") and not (before[:2] == "# " and line.endswith("="))
    ]

    assert bad == []


def test_every_variable_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "settings.md").read_text()

    names = set(re.findall(r"^\| `([A-Z_]+)` \|", reference, re.MULTILINE))

    assert names == variables_read() | COMPOSE_ONLY


def test_the_environment_is_read_in_config_only() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for path in python_files(APPS)
        if re.search(r"os\.environ|os\.getenv|environ\.Env", path.read_text())
    ]

    assert readers == []


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSKNIGHT_PORT", "")

    assert env.int("OPSKNIGHT_PORT", default=8000) == 8000


def test_a_wrong_value_is_answered_with_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSKNIGHT_PORT", "eighty")

    with pytest.raises(ImproperlyConfigured, match="OPSKNIGHT_PORT has a wrong value"):
        env.int("OPSKNIGHT_PORT", default=8000)


def test_a_database_that_is_back_is_noticed_within_seconds() -> None:
    options = database_from_url("postgresql://opsknight@db/opsknight")["OPTIONS"]

    # The pool's own default doubles its pauses for five minutes.
    assert options["pool"]["reconnect_timeout"] <= 5
    assert options["pool"]["timeout"] <= 10


def test_a_connection_whose_other_end_is_gone_is_noticed_within_seconds() -> None:
    options = database_from_url("postgresql://opsknight@db/opsknight?connect_timeout=3")["OPTIONS"]

    silence = options["keepalives_idle"] + (
        options["keepalives_interval"] * options["keepalives_count"]
    )
    assert silence <= 30
    assert options["tcp_user_timeout"] <= 30_000
    assert options["connect_timeout"] == "3"  # the URL's own holds


@pytest.mark.django_db
def test_a_process_that_froze_or_lost_its_network_in_a_transaction_lets_go_of_its_rows() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        (timeout,) = cursor.fetchone()

    assert timeout == "1min"


@pytest.mark.parametrize(
    "url", ["", "https://sns.example", "https://sns.example:4566", "http://127.0.0.1:4566"]
)
def test_a_stand_in_of_amazon_is_an_origin(url: str) -> None:
    assert sns_endpoint(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.example",  # anybody on the way could answer
        "https://sns.example/",
        "https://sns.example/path",
        "https://sns.example?x=1",
        "https://user:word@sns.example",
        "ftp://sns.example",
        "sns.example",
        "https://",
    ],
)
def test_what_is_no_stand_in_of_amazon_stops_the_start(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="SNS_ENDPOINT"):
        sns_endpoint(url)


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://ops.example.com:8443/x", "ops.example.com"),
        ("http://127.0.0.1:8000", "localhost"),
        ("http://[::1]:8000", "localhost"),
    ],
)
def test_addresses_of_mail_end_in_a_name(url: str, domain: str) -> None:
    assert mail_domain(url) == domain
