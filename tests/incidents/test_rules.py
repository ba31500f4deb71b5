"""What rules make of events: pure."""

import json

import pytest

from incidents.intake.events import fit_dedup_key
from incidents.intake.rules import (
    Delivered,
    Routing,
    RuledEvent,
    RuleTexts,
    apply_rules,
    rule_events,
)
from incidents.integrations import prometheus
from tests.incidents.ruling import EVENT, PAYLOAD, route, rule

# Effects


def test_every_template_changes_its_part() -> None:
    texts = RuleTexts(
        title="{{ host.name }} is\nfull",
        description="{{ value }} %\nused",
        dedup_key="{{ host.name }}/disk",
        urgency="{{ 'critical' }}",
        resolve_when="value < 10",
    )

    event, routing, warnings = rule(texts)

    assert (event.summary, event.description) == ("db-1 is full", "97.5 %\nused")
    assert (event.dedup_key, event.action) == ("db-1/disk", "trigger")
    assert routing == Routing(urgency="high")
    assert warnings == []
    assert (event.severity, event.source) == (EVENT.severity, EVENT.source)


@pytest.mark.parametrize("blank", ["{{ nope }}", "  ", "{{ '' }}", "{# #}"])
def test_empty_results_leave_what_the_parser_found(blank: str) -> None:
    texts = RuleTexts(title=blank, description=blank, dedup_key=blank, urgency=blank)

    assert rule(texts) == (EVENT, None, [])


@pytest.mark.parametrize(
    ("word", "urgency"),
    [
        ("high", "high"), ("MEDIUM", "medium"), (" low ", "low"),
        ("critical", "high"), ("warning", "medium"), ("info", "low"), ("P1", "high"),
    ],
)  # fmt: skip
def test_urgency_takes_the_words_of_severity(word: str, urgency: str) -> None:
    _, routing, warnings = rule(RuleTexts(urgency=word))

    assert routing == Routing(urgency=urgency)
    assert warnings == []


def test_unknown_urgency_is_left_out_and_named() -> None:
    event, routing, warnings = rule(RuleTexts(urgency="huge"))

    assert (event, routing) == (EVENT, None)
    assert warnings == ["urgency: “huge” is none of high, medium, low."]


def test_texts_fit_into_an_event() -> None:
    texts = RuleTexts(title="{{ big }}", description="{{ big }}{{ big }}", dedup_key="{{ big }}")

    event, _, warnings = rule(texts, body={"big": "x" * 100_000})

    assert (len(event.summary), len(event.description)) == (500, 10_000)
    assert event.dedup_key == fit_dedup_key("x" * 10_000)
    assert warnings == []


def test_half_characters_and_nul_do_not_reach_the_database() -> None:
    texts = RuleTexts(title=r'{{ "\ud800\x00a" }}', dedup_key=r'{{ "\ud800\x00b" }}')

    event, _, _ = rule(texts)

    assert (event.summary, event.dedup_key) == ("? a", "?b")


def test_events_of_one_body_are_rendered_each_with_its_own() -> None:
    body = json.dumps(
        {
            "alerts": [
                {"labels": {"alertname": "A", "team": "db"}, "fingerprint": "1"},
                {"labels": {"alertname": "B", "team": "web"}, "fingerprint": "2"},
            ],
            "receiver": "ops",
        }
    ).encode()
    texts = RuleTexts(
        title="{{ receiver }}: {{ event.details.labels.team }}",
        routes=(route("Web", "event.details.labels.team == 'web'"),),
    )

    ruled = apply_rules(texts, prometheus.parse({}, {}, body), headers={}, query={}, body=body)

    assert [event.summary for event, _ in ruled.events] == ["ops: db", "ops: web"]
    assert [r.route if r else "" for _, r in ruled.events] == ["", "Web"]


# Routes


def test_first_route_that_matches_wins() -> None:
    routes = (
        route("Web", "event.source == 'web-1'", policy_id=1),
        route("Database", "event.source == 'db-1'", policy_id=2, urgency="high", priority="P1"),
        route("Default", "", policy_id=3),
    )

    assert rule(RuleTexts(routes=routes))[1] == Routing("Database", 2, "high", "P1", False)


def test_default_route_takes_what_no_other_does() -> None:
    routes = (route("Web", "event.source == 'web-1'"), route("Rest", "", is_suppressed=True))

    assert rule(RuleTexts(routes=routes))[1] == Routing("Rest", is_suppressed=True)


def test_without_a_match_nothing_is_routed() -> None:
    assert rule(RuleTexts(routes=(route("Web", "false", policy_id=1),)))[1] is None


@pytest.mark.parametrize(("own", "urgency"), [("", "low"), ("high", "high")])
def test_urgency_of_a_route_beats_the_template(own: str, urgency: str) -> None:
    _, routing, _ = rule(RuleTexts(urgency="low", routes=(route("All", "", urgency=own),)))

    assert routing == Routing("All", urgency=urgency)


def test_routes_see_what_the_parser_found_not_what_templates_wrote() -> None:
    texts = RuleTexts(title="Other", routes=(route("Disk", "event.summary == 'Disk full'"),))

    assert rule(texts)[1] == Routing("Disk")


@pytest.mark.parametrize("broken", ["value + 'x' > 1", "1 / 0", "broken (", "tags < 3"])
def test_broken_route_is_passed_over_and_nothing_after_it_is_suppressed(broken: str) -> None:
    routes = (route("Broken", broken), route("Noise", "", is_suppressed=True, policy_id=7))

    _, routing, [warning] = rule(RuleTexts(routes=routes))

    assert routing == Routing("Noise", 7, is_suppressed=False)
    assert warning.startswith("routes.0.condition: ")


# For whoever writes rules


def previewed(texts: RuleTexts) -> RuledEvent:
    delivery = Delivered({}, {}, json.dumps(PAYLOAD).encode())
    return next(rule_events(texts, [EVENT], delivery, wants_hints=True))


def test_missing_fields_that_are_used_are_hinted_at() -> None:
    texts = RuleTexts(
        title="{{ host.nope }} {{ event.details.labels['zone'] }} {{ gone|default('x') }}",
        resolve_when="payload.state == 'fine' or absent is defined",
    )

    assert previewed(texts).hints == (
        "host.nope", "event.details.labels['zone']", "payload.state",
    )  # fmt: skip


def test_matching_route_is_known_by_its_place() -> None:
    texts = RuleTexts(routes=(route("A", "false"), route("B", "true")))

    assert previewed(texts).route == 1
