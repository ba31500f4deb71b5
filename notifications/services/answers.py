"""What people answer to pages: the one service behind replies, links, keys and buttons.

Every way (SMS, links in mails and push messages, voice, chats) calls `act`, so the rules, the
words and the timeline are the same everywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, assert_never

from incidents.models import Incident
from incidents.selectors import get_incident_to_act_on_for
from incidents.services.lifecycle import acknowledge_incidents, resolve_incidents
from opsknight.errors import Conflict
from opsknight.models import User

Action: TypeAlias = Literal["acknowledge", "resolve", "escalate"]
# Gets the incident, who asks, the way ("by SMS") and the time; raises OpsKnightError.
EscalateHandler: TypeAlias = Callable[[Incident, User, str, datetime], None]

MAX_TITLE_LENGTH = 80
Status = Incident.Status

_escalate_handlers: list[EscalateHandler] = []


@dataclass(frozen=True)
class Answer:
    """What became of somebody's answer, in words."""

    incident_id: int
    title: str  # of the incident, shortened
    news: str  # "acknowledged", "already acknowledged by Bob"
    is_done: bool  # it changed something; False: it was so already

    @property
    def text(self) -> str:
        """One sentence that names the incident, for an SMS or a chat."""
        return f"#{self.incident_id} {self.title}: {self.news}."


def on_escalate(handler: EscalateHandler) -> None:
    """Register who escalates at a person's word; called once, when an app is ready."""
    if handler not in _escalate_handlers:
        _escalate_handlers.append(handler)


def act(*, user: User, incident_id: int, action: Action, via: str, now: datetime) -> Answer:
    """Do what a person answered; idempotent.

    `via` says the way as the timeline does: "by SMS", "by e-mail link", "in Slack". The same
    people may do this as on the page of the incident: raises NotFound for an incident out of the
    person's sight, also when the account is disabled, NotAllowed for one that may only be seen,
    Conflict and InvalidInput where it cannot be escalated.
    """
    incident = get_incident_to_act_on_for(user, incident_id)
    match action:
        case "acknowledge":
            changed = bool(acknowledge_incidents(incident_ids=[incident.pk], actor=user, via=via))
            return _answer(incident, "acknowledged" if changed else _as_it_is(incident), changed)
        case "resolve":
            changed = bool(resolve_incidents(incident_ids=[incident.pk], actor=user, via=via))
            return _answer(incident, "resolved" if changed else _as_it_is(incident), changed)
        case "escalate":
            _escalate(incident, user, via, now)
            return _answer(incident, "escalated", True)
        case _:
            assert_never(action)


def _escalate(incident: Incident, user: User, via: str, now: datetime) -> None:
    if not _escalate_handlers:
        raise Conflict("Nothing here escalates incidents.")
    for handler in _escalate_handlers:
        handler(incident, user, via, now)


def _answer(incident: Incident, news: str, is_done: bool) -> Answer:
    return Answer(incident.pk, short_title(incident.title), news, is_done)


def _as_it_is(incident: Incident) -> str:
    """Why nothing changed: somebody was first, or there is nothing to do."""
    rows = Incident.objects.select_related("acknowledged_by", "resolved_by")
    found = rows.filter(pk=incident.pk).first() or incident
    match found.status:
        case Status.ACKNOWLEDGED:
            return f"already acknowledged{_by(found.acknowledged_by)}"
        case Status.RESOLVED:
            return f"already resolved{_by(found.resolved_by)}"
        case _:
            return f"nothing to do, it is {found.get_status_display().lower()}"


def _by(user: User | None) -> str:
    return f" by {user}" if user else ""


def short_title(title: str) -> str:
    """The title in one line that fits into a message."""
    line = " ".join(title.split())
    return line if len(line) <= MAX_TITLE_LENGTH else f"{line[: MAX_TITLE_LENGTH - 1]}…"
