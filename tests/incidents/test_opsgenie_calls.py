"""Addresses of the Alert API, whatever they are."""

from contextlib import suppress
from typing import get_args
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.intake.decide import Result
from incidents.intake.opsgenie_answers import STATUS_OF_RESULT
from incidents.intake.opsgenie_calls import Call, read_call
from incidents.intake.routes import find_route
from opsknight.errors import OpsKnightError

METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "X"])
WORDS = st.sampled_from(["close", "notes", "requests", "count", "tags", "", "1", "%2F", "%", "a b"])


@pytest.mark.parametrize(
    ("raw_path", "identifier"),
    [
        ("/v2/alerts/disk%2Fvar/close", "disk/var"),
        ("/v2/alerts/disk%2Fvar/close/", "disk/var"),
        ("/v2/alerts/%C3%A4%20%E2%9C%93/close", "ä ✓"),
        ("/v2/alerts/a+b/close", "a+b"),
        ("/api/integrations/opsgenie/v2/alerts/x/close", "x"),
    ],
)
def test_alias_is_what_the_client_meant(raw_path: str, identifier: str) -> None:
    route = find_route("/v2/alerts/whatever", raw_path)
    assert route is not None

    call = read_call("POST", route.rest, {"identifierType": "alias"})

    assert call == Call("close", identifier, "alias")
    assert call.is_event


@pytest.mark.parametrize("path", ["/v2/alertsx", "/v3/alerts", "/x/v2/alerts", "/v2/alert"])
def test_other_addresses_are_not_of_the_alert_api(path: str) -> None:
    assert find_route(path, path) is None


def test_what_the_query_says_does_not_pass_for_the_address() -> None:
    query = {"action": "close", "identifier": "victim", "identifierType": "alias"}

    call = read_call("POST", "", query)

    assert call.with_address(query)["action"] == "create"


def test_every_result_of_an_event_is_told_as_a_status() -> None:
    never_told = {"ignored", "queued", "beat"}  # no success, not there yet, no alert

    assert set(STATUS_OF_RESULT) >= set(get_args(Result)) - never_told


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(
    method=METHODS,
    parts=st.lists(st.one_of(WORDS, st.text(max_size=20).map(quote)), max_size=5),
    kind=st.one_of(st.sampled_from(["id", "tiny", "alias", "ALIAS", ""]), st.text(max_size=5)),
)
def test_any_address_is_read_or_refused_by_name(method: str, parts: list[str], kind: str) -> None:
    rest = "".join(f"/{part}" for part in parts)

    with suppress(OpsKnightError):
        call = read_call(method, rest, {"identifierType": kind})
        assert not call.is_event or method in ("POST", "DELETE")
