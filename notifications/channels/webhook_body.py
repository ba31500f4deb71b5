"""Bodies of webhooks that their owner writes: a template that makes JSON.

Written in the language of rules (`incidents/intake/rule_language.py`): Jinja2's syntax without its
loops and calls, data only, within a bounded amount of work.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from incidents.intake.rule_language import BadRule, Program, read_template
from incidents.intake.rule_values import RuleFailed, Scope

MAX_DESCRIPTION_LENGTH = 4000  # so that a body stays within what a template may write


class BadTemplate(Exception):
    """A template cannot be read, or what it makes is no JSON; the message says why."""


@dataclass(frozen=True)
class _Payload:
    """What a template may look at."""

    payload: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


def read_body_template(source: str) -> Program:
    """Check a template; raises BadTemplate."""
    try:
        return read_template(source)
    except BadRule as error:
        raise BadTemplate(str(error)) from error


def render_body(source: str, payload: Mapping[str, Any]) -> bytes:
    """The body for what our own body would have been; raises BadTemplate."""
    program = read_body_template(source)
    try:
        text = program.text(Scope(payload["event"], _Payload(_shortened(payload))))
    except RuleFailed as error:
        raise BadTemplate(str(error)) from error
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:  # RecursionError: nested too deep
        raise BadTemplate("It does not make JSON. Write texts as {{ … |tojson }}.") from error
    return text.encode()


def _shortened(payload: Mapping[str, Any]) -> dict[str, Any]:
    incident = dict(payload["incident"])
    incident["description"] = incident["description"][:MAX_DESCRIPTION_LENGTH]
    return {**payload, "incident": incident}
