"""Vercel's webhooks."""

from datetime import UTC, datetime

import pytest

from incidents.intake.events import Event, InvalidPayload, Unsupported
from incidents.integrations.vercel import parse
from tests.incidents.integrations.fuzzing import fuzz, payload


def read(name: str) -> Event:
    [event] = parse({}, {}, payload("vercel", name))
    return event


@pytest.mark.parametrize(
    ("name", "severity", "key", "summary"),
    [
        ("error", "critical", "vercel:prj_1:production:", "Deployment failed: shop (production)"),
        (
            "preview_error",
            "error",
            "vercel:prj_1:preview:feature",
            "Deployment failed: shop (preview)",
        ),
        (
            "preview_without_branch_error",
            "error",
            "vercel:prj_1:preview:dpl_1",
            "Deployment failed: shop (preview)",
        ),
    ],
)
def test_failure_opens(name: str, severity: str, key: str, summary: str) -> None:
    e = read(name)

    assert (e.action, e.severity, e.dedup_key, e.summary) == ("trigger", severity, key, summary)
    assert e.occurred_at == datetime(2026, 1, 10, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("bad", "good"), [("error", "succeeded"), ("preview_error", "preview_succeeded")]
)
def test_next_success_closes_what_the_failure_opened(bad: str, good: str) -> None:
    opened, closed = read(bad), read(good)

    assert (opened.action, closed.action) == ("trigger", "resolve")
    assert opened.dedup_key == closed.dedup_key


@pytest.mark.parametrize("name", ["created", "canceled", "promoted"])
def test_what_is_no_result_opens_nothing(name: str) -> None:
    with pytest.raises(Unsupported):
        read(name)


@pytest.mark.parametrize(
    ("body", "field"),
    [(b"{}", "type"), (b'{"type": "deployment.error", "payload": 1}', "payload.project.id")],
)
def test_refusal_names_the_field(body: bytes, field: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse({}, {}, body)

    assert list(refused.value.fields) == [field]


def test_bad_input_is_refused_by_name() -> None:
    fuzz(parse, "vercel")
