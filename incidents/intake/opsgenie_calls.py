"""What a request to Opsgenie's Alert API asks for, by its method and address: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from incidents.intake.events import InvalidPayload
from incidents.integrations import opsgenie
from opsknight.errors import NotFound, OpsKnightError

IdentifierType = Literal["id", "tiny", "alias"]
Action = Literal[
    "create", "close", "acknowledge", "delete", "unacknowledge", "notes",
    "get", "list", "count", "request",
]  # fmt: skip

_POSTS: Final[dict[str, Action]] = {
    "close": "close",
    "acknowledge": "acknowledge",
    "unacknowledge": "unacknowledge",
    "notes": "notes",
}
# What Opsgenie has and we do not, by the last part of its address.
_UNSUPPORTED: Final = frozenset(
    {"actions", "assign", "attachments", "description", "details", "escalate", "logs", "message",
     "priority", "recipients", "responders", "saved-searches", "snooze", "tags", "teams"}
)  # fmt: skip
_TYPES: Final[dict[str, IdentifierType]] = {"id": "id", "tiny": "tiny", "alias": "alias"}


class MethodNotAllowed(OpsKnightError):
    """The address has no such method."""

    code = "method_not_allowed"
    status = 405


class NotSupported(OpsKnightError):
    """Opsgenie has it, OpsKnight does not."""

    code = "not_supported"
    status = 422


@dataclass(frozen=True, slots=True)
class Call:
    """One thing that is asked for."""

    action: Action
    identifier: str = ""
    identifier_type: IdentifierType = "id"

    @property
    def is_event(self) -> bool:
        """Whether the door takes it: nothing has to be looked up before it is stored."""
        by_alias = self.identifier_type == "alias" and self.action in opsgenie.ACTIONS
        return self.action == "create" or by_alias

    def with_address(self, query: Mapping[str, str]) -> dict[str, str]:
        """The query with what the address said, as the parser reads it and the record keeps it."""
        said = {"action": str(self.action)}
        if self.identifier:
            said |= {"identifier": self.identifier, "identifierType": self.identifier_type}
        return {**query, **said}


def read_call(method: str, rest: str, query: Mapping[str, str]) -> Call:
    """Read the part of an address behind `/v2/alerts`, still quoted.

    Raises NotFound, MethodNotAllowed, NotSupported, and InvalidPayload for an unknown
    identifierType.
    """
    parts = [unquote(part) for part in rest.split("/")[1:]]
    match method, parts:
        case "POST", []:
            return Call("create")
        case "GET", []:
            return Call("list")
        case "GET", ["count"]:
            return Call("count")
        case "GET", ["requests", identifier]:
            return Call("request", identifier)
        case _, ["saved-searches", *_]:
            raise _unsupported("saved-searches")
        case "GET", [identifier]:
            return Call("get", identifier, _type_of(query))
        case "DELETE", [identifier]:
            return Call("delete", identifier, _type_of(query))
        case "POST", [identifier, word] if word in _POSTS:
            return Call(_POSTS[word], identifier, _type_of(query))
        case _, [_, word, *_] if word in _UNSUPPORTED:
            raise _unsupported(word)
        case _, [] | [_] | ["requests", _]:
            raise MethodNotAllowed("This address does not take this method.")
        case _, [_, word] if word in _POSTS:
            raise MethodNotAllowed("This address takes POST only.")
    raise NotFound("The Alert API has no such address.")


def _type_of(query: Mapping[str, str]) -> IdentifierType:
    word = query.get("identifierType", "id").lower()
    if word not in _TYPES:
        text = "identifierType is id, tiny or alias."
        raise InvalidPayload(text, fields={"identifierType": [text]})
    return _TYPES[word]


def _unsupported(word: str) -> NotSupported:
    return NotSupported(
        f"OpsKnight has no “{word}” of alerts. It takes create, get, list, count, acknowledge, "
        "unacknowledge, close, delete and notes; do the rest on the incident's page."
    )
