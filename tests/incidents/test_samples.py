"""Our own sample messages: every parser understands them, and what one opens another closes."""

from datetime import UTC, datetime

import pytest

from incidents.intake.events import Event, Unsupported
from incidents.integrations import PARSERS
from incidents.models import Integration
from incidents.samples import Message, Sample, Values, fill, new_run, sample_of, samples_of

NOW = datetime(2026, 11, 23, 15, 0, 1, 234_567, tzinfo=UTC)
SUMMARY = 'Test alert for "Checkout" ünïcode, sent by Bob Ray'
ALL = [sample for kind in Integration.Kind.values for sample in samples_of(kind)]


def values(run: str) -> Values:
    return Values(run=run, now=NOW, summary=SUMMARY, key="0123456789abcdef0123456789abcdef")


def events_of(sample: Sample, run: str) -> list[Event]:
    message = fill(sample, values(run))
    headers = {name.lower(): value for name, value in message.headers.items()}
    return PARSERS[sample.kind](headers, message.query, message.body.encode())


def name_of(sample: Sample) -> str:
    return f"{sample.kind}-{sample.name}"


@pytest.mark.parametrize("kind", Integration.Kind.values)
def test_every_kind_has_a_sample_that_opens_and_one_that_closes(kind: str) -> None:
    effects = [sample.effect for sample in samples_of(kind)]

    assert effects[0] == "opens"
    assert "closes" in effects


@pytest.mark.parametrize("sample", ALL, ids=name_of)
def test_sample_does_what_it_says(sample: Sample) -> None:
    if sample.effect == "ignored":
        with pytest.raises(Unsupported):
            events_of(sample, new_run())
        return
    actions = {"opens": "trigger", "acknowledges": "acknowledge", "closes": "resolve"}

    [event] = events_of(sample, new_run())

    assert event.action == actions[sample.effect]


@pytest.mark.parametrize("sample", [s for s in ALL if s.effect == "opens"], ids=name_of)
def test_what_opens_says_that_it_is_a_test(sample: Sample) -> None:
    [event] = events_of(sample, new_run())

    assert "test" in event.summary.lower()


@pytest.mark.parametrize("kind", Integration.Kind.values)
def test_samples_of_one_run_speak_of_one_alert(kind: str) -> None:
    run = new_run()

    keys = {
        event.dedup_key
        for sample in samples_of(kind)
        if sample.name in ("firing", "acknowledged", "resolved")
        for event in events_of(sample, run)
    }

    assert len(keys) == 1


# A heartbeat integration has one alert only: that its beat is missing.
@pytest.mark.parametrize("kind", sorted(set(Integration.Kind.values) - {"heartbeat"}))
def test_each_run_is_another_alert(kind: str) -> None:
    sample = sample_of(kind, "firing")

    [first], [second] = events_of(sample, "0000000a"), events_of(sample, "0000000b")

    assert first.dedup_key != second.dedup_key


@pytest.mark.parametrize("sample", ALL, ids=name_of)
def test_no_placeholder_is_left(sample: Sample) -> None:
    message: Message = fill(sample, values(new_run()))

    assert "{{" not in message.body.replace('["{{ default }}"]', "")
    assert not any("{{" in text for text in [*message.headers.values(), *message.query.values()])


def test_numbers_stay_numbers_and_texts_stay_texts() -> None:
    body = fill(sample_of("pingdom", "firing"), values("0000000a")).body

    assert '"check_id": 10,' in body
    assert f'"state_changed_timestamp": {int(NOW.timestamp())},' in body


def test_form_is_written_as_a_form() -> None:
    body = fill(sample_of("uptimerobot", "firing"), values("0000000a")).body

    assert body.startswith("monitorID=10&")


def test_unknown_name_is_the_first_sample() -> None:
    assert sample_of("grafana", "../../secrets").name == "firing"
