"""Honeycomb's webhooks."""

import pytest

from incidents.intake.events import Event, InvalidPayload
from incidents.integrations.honeycomb import parse
from tests.incidents.integrations.fuzzing import fuzz, payload


def read(name: str) -> Event:
    [event] = parse({}, {}, payload("honeycomb", name))
    return event


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("triggered", ("trigger", "honeycomb:hT7kQ", "warning", "Slow checkout")),
        ("ok", ("resolve", "honeycomb:hT7kQ", "warning", "Slow checkout")),
        ("template_triggered", ("trigger", "honeycomb:burn-9", "critical", "Checkout budget")),
        ("template_resolved", ("resolve", "honeycomb:burn-9", "critical", "Checkout budget")),
    ],
)
def test_body_becomes_event(name: str, event: tuple[str, str, str, str]) -> None:
    e = read(name)

    assert (e.action, e.dedup_key, e.severity, e.summary) == event


def test_secret_in_the_body_is_not_kept() -> None:
    assert "not-for-the-database" not in repr(read("triggered"))


def test_unresolved_is_no_resolve() -> None:
    [event] = parse({}, {}, b'{"id": "x", "name": "y", "status": "unresolved"}')

    assert event.action == "trigger"


def test_name_is_the_key_where_there_is_no_id() -> None:
    [event] = parse({}, {}, b'{"id": null, "name": "Slow Checkout"}')

    assert (event.action, event.dedup_key) == ("trigger", "honeycomb:slow-checkout")


def test_refusal_names_the_field() -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({}, {}, b'{"status": "TRIGGERED", "id": []}')

    assert list(refused.value.fields) == ["id"]


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, "honeycomb")
