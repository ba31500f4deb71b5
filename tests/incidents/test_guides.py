"""The set-up guides: one for each kind, with the real address and key filled in."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from django.urls import reverse

from incidents.guides import FOLDER, Block, Span, guide_of
from incidents.intake.schemes import SCHEMES
from incidents.models import Integration, Service
from incidents.setup import address_of, guide_for
from opsknight.models import User
from tests.factories import IntegrationFactory
from tests.incidents.cast import browser

BASE = "https://opsknight.example"
KINDS = Integration.Kind.values
OURS = {"events", "webhook", "email", "heartbeat"}  # formats without a vendor


def spans_of(blocks: Sequence[Block]) -> Iterator[Span]:
    for block in blocks:
        yield from block.spans
        for item in block.items:
            yield from spans_of(item)


def codes_of(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        if block.kind == "code":
            yield block.text
        for item in block.items:
            yield from codes_of(item)


def text_of(blocks: Sequence[Block]) -> str:
    words = [span.text + span.href for span in spans_of(blocks)]
    return "\n".join([*words, *codes_of(blocks)])


def test_there_is_a_guide_for_each_kind_and_no_other() -> None:
    assert {path.stem for path in Path(FOLDER).glob("*.md")} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_guide_says_where_how_to_test_and_what_opens_and_closes(
    checkout: Service, kind: str
) -> None:
    integration = IntegrationFactory(service=checkout, kind=kind)

    guide = guide_for(integration, BASE)

    headings = [block.spans[0].text for block in guide.blocks if block.kind == "heading"]
    codes = "\n".join(codes_of(guide.blocks))
    assert headings[-2:] == ["Test", "What opens and closes"]
    assert headings[0].startswith(("In ", "Through "))
    assert address_of(integration, BASE) in codes
    assert integration.key in codes
    assert bool(guide.docs) is (kind not in OURS)
    assert guide.docs.startswith("https://") or kind in OURS


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_to_fill_in(checkout: Service, kind: str) -> None:
    guide = guide_for(IntegrationFactory(service=checkout, kind=kind), BASE)

    text = text_of(guide.blocks)

    assert not re.search("@[A-Z]+@", text)
    assert "```" not in text
    assert "**" not in text


@pytest.mark.parametrize("kind", [k for k in SCHEMES if SCHEMES[k].is_default])
def test_guide_of_a_vendor_that_signs_leads_to_security(checkout: Service, kind: str) -> None:
    integration = IntegrationFactory(service=checkout, kind=kind)

    links = {span.href for span in spans_of(guide_for(integration, BASE).blocks)}

    assert reverse("incidents:integration_security", args=[integration.pk]) in links


@pytest.mark.parametrize("kind", KINDS)
def test_page_shows_the_guide_with_the_address_of_the_request(
    carol: User, checkout: Service, kind: str
) -> None:
    integration = IntegrationFactory(service=checkout, kind=kind)
    address = reverse("incidents:integration", args=[integration.pk])

    text = browser(carol).get(address, headers={"host": "127.0.0.1:8123"}).content.decode()

    assert "What opens and closes" in text
    assert integration.key in text
    assert kind == "email" or "http://127.0.0.1:8123/" in text


def test_values_become_no_markup() -> None:
    evil = "`x` **y** [z](https://evil.example) <script>"

    guide = guide_of("webhook", {"URL": evil, "KEY": evil})

    assert evil in "\n".join(codes_of(guide.blocks))
    assert not [span for span in spans_of(guide.blocks) if "evil" in span.href]


def test_link_to_a_page_that_does_not_exist_is_only_text() -> None:
    guide = guide_of("webhook", {"SIMULATOR": ""})

    assert [s.style for s in spans_of(guide.blocks) if s.text == "simulator"] == [""]


def test_steps_keep_their_code_and_paragraphs() -> None:
    [steps] = [b for b in guide_of("cloudwatch", {"URL": BASE}).blocks if b.kind == "ol"]

    assert len(steps.items) == 4
    assert [block.kind for block in steps.items[1]] == ["paragraph", "code", "paragraph"]
    assert steps.items[1][1].text == BASE
    assert steps.items[1][1].label == "Endpoint"
