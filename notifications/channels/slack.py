"""Slack: what a message in a channel, a direct message or a thread says."""

from collections.abc import Iterable, Sequence
from typing import Any

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ContextBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from notifications.channels.base import ListChannel, Message, Page, PagedIncident
from notifications.channels.email import one_line
from notifications.models import Notification

# Beginning of the action_id of every button of ours; the rest is the action.
ACTION_PREFIX = "opsknight:"
MAX_TITLE_LENGTH = 300
MAX_DESCRIPTION_LENGTH = 1500
MAX_TEXT_LENGTH = 2900  # Slack takes 3,000 in a section
MAX_VALUE_LENGTH = 2000  # of a button
MAX_LINES = 15  # of a list

LOUD, TAKEN, OVER, QUIET = "#d32f2f", "#f9a825", "#388e3c", "#757575"
# What the message says by its first word and the colour of its edge, by `PostedMessage.shown`.
LOOKS = {
    "triggered": ("Triggered", LOUD),
    "escalated": ("Escalated", LOUD),
    "acknowledged": ("Acknowledged", TAKEN),
    "resolved": ("Resolved", OVER),
    "snoozed": ("Snoozed", QUIET),
    "suppressed": ("Suppressed", QUIET),
}
# Buttons by what the message shows; none once it is over.
BUTTONS = {
    "triggered": ("acknowledge", "escalate", "resolve"),
    "escalated": ("acknowledge", "escalate", "resolve"),
    "acknowledged": ("resolve",),
    "snoozed": ("resolve",),
    "suppressed": ("resolve",),
}
LOUD_LOOKS = ("triggered", "escalated")
LABELS = {"acknowledge": "Acknowledge", "escalate": "Escalate", "resolve": "Close"}
STYLES = {"acknowledge": "primary", "resolve": "danger"}


class SlackChannel(ListChannel):
    """One card per incident, which is edited when the incident moves on; then its thread."""

    name = "slack"
    queue = "slack"
    phrase = "in Slack"
    parallel = 20

    def render(self, pages: Sequence[Page]) -> Message:
        """`text` is the first line, in Slack's mrkdwn.

        `data`: `attachments`, the card; `thread`, the `Posted` message that this one answers, or
        None; `broadcast`, whether the channel sees that answer, too; where a user group is told,
        `on_call`, how many people are, and `members`, who they are in Slack; `is_test`;
        `is_notice`.
        """
        page = pages[0]
        if len(pages) > 1:
            repeated = next((words for one in pages if (words := _repeated(one))), "")
            rows = [(one.incident, one.incident.status) for one in pages if one.incident]
            text, attachments = incident_list(rows, repeated=repeated)
            return _message(page, text, attachments, thread=False)
        if page.incident is None:
            text, attachments = _notice(page)
            return _message(page, text, attachments, thread=False)
        if page.opens_card:
            status = page.incident.status
            text, attachments = card(page.incident, shown=status, repeated=_repeated(page))
            return _message(page, text, attachments, thread=False)
        if page.event is not None or page.reason == Notification.Reason.STATUS:
            return _message(page, _told(page, page.incident), [], thread=True)
        return _message(page, _again(page, page.incident), [], thread=True, broadcast=True)

    def render_card(
        self, incident: PagedIncident, *, address: str, shown: str, said: str
    ) -> Message:
        """The card as it is to be now; `data` holds only `attachments`."""
        text, attachments = card(incident, shown=shown, said=said)
        return Message(address=address, text=text, data={"attachments": attachments})

    def render_list(
        self, incidents: Sequence[tuple[PagedIncident, str]], *, address: str
    ) -> Message:
        """The list as it is to be now; `data` as for a card."""
        text, attachments = incident_list(incidents)
        return Message(address=address, text=text, data={"attachments": attachments})


def card(
    incident: PagedIncident, *, shown: str, said: str = "", repeated: str = ""
) -> tuple[str, list[dict[str, Any]]]:
    """First line and attachments of the message about one incident.

    `shown` is a key of LOOKS; `said`, who did what; `repeated`, a warning of a possible duplicate.
    A resolved one has neither details nor buttons.
    """
    word, colour = LOOKS[shown]
    facts = f"{escaped(incident.service_name)} · {incident.urgency} urgency"
    blocks: list[Block] = [_context(facts, escaped(_cut(said, MAX_TITLE_LENGTH)), repeated)]
    description = incident.description.strip()
    if shown != "resolved" and description:
        cut = _cut(description, MAX_DESCRIPTION_LENGTH)
        blocks.append(SectionBlock(text=PlainTextObject(text=cut, emoji=False)))
    if actions := BUTTONS.get(shown, ()):
        blocks.append(ActionsBlock(elements=[button(a, [incident.id]) for a in actions]))
    return f"*{word}*: {linked(incident)}", [_attachment(colour, blocks)]


def button(action: str, incident_ids: Iterable[int], label: str = "") -> ButtonElement:
    """A button that does `action` to these incidents; raises ValueError for too many."""
    value = ",".join(str(pk) for pk in incident_ids)
    if len(value) > MAX_VALUE_LENGTH:
        raise ValueError("more incidents than a button can name")
    return ButtonElement(
        text=PlainTextObject(text=label or LABELS[action], emoji=False),
        action_id=ACTION_PREFIX + action,
        value=value,
        style=STYLES.get(action),
    )


def without_buttons(attachments: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for a place where nobody hears of a press: links stay."""
    return [
        {**one, "blocks": [block for block in one["blocks"] if not _is_pressed(block)]}
        for one in attachments
    ]


def escaped(text: str) -> str:
    """One line of plain text as mrkdwn: it can neither mention anybody nor hide a link."""
    line = one_line(text)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def linked(incident: PagedIncident) -> str:
    """The incident's number and title, leading to its page."""
    title = escaped(_cut(incident.title, MAX_TITLE_LENGTH))
    return f"<{incident.url}|#{incident.id} {title}>"


def incident_list(
    incidents: Sequence[tuple[PagedIncident, str]], *, repeated: str = ""
) -> tuple[str, list[dict[str, Any]]]:
    """First line and attachments of a message about several incidents, open ones first.

    Each comes with a key of LOOKS; `repeated` as for a card.
    """
    rows = sorted(incidents, key=lambda row: row[1] == "resolved")
    left = [row for row in rows if row[1] != "resolved"]
    services = {incident.service_name for incident, _ in rows}
    where = f" on {escaped(services.pop())}" if len(services) == 1 else ""
    blocks: list[Block] = [SectionBlock(text=MarkdownTextObject(text=_lines(rows)))]
    if buttons := _buttons_for_all(left):
        blocks.append(ActionsBlock(elements=buttons))
    if repeated:
        blocks.append(_context(repeated))
    heading = f"{len(left)} open{where}" if left else f"All {len(rows)} resolved{where}"
    return f"*{heading}*", [_attachment(_loudest(shown for _, shown in rows), blocks)]


def _lines(rows: Sequence[tuple[PagedIncident, str]]) -> str:
    """As many as Slack takes, and how many there are beside."""
    lines: list[str] = []
    for incident, shown in rows:
        line = f"• {linked(incident)}"
        line += "" if shown in LOUD_LOOKS else f" {LOOKS[shown][0].lower()}"
        if len(lines) == MAX_LINES or sum(map(len, lines)) + len(line) > MAX_TEXT_LENGTH - 100:
            lines.append(f"… and {len(rows) - len(lines)} more")
            break
        lines.append(line)
    return "\n".join(lines)


def _buttons_for_all(left: Sequence[tuple[PagedIncident, str]]) -> list[ButtonElement]:
    """None for more incidents than a button can name."""
    ids = [incident.id for incident, _ in left]
    loud = [incident.id for incident, shown in left if shown in LOUD_LOOKS]
    if len(",".join(map(str, ids))) > MAX_VALUE_LENGTH:
        return []
    wanted = (("acknowledge", loud, "Acknowledge all"), ("resolve", ids, "Close all"))
    return [button(action, which, label) for action, which, label in wanted if which]


def _loudest(shown: Iterable[str]) -> str:
    """The colour of the worst of them."""
    colours = {LOOKS[look][1] for look in shown}
    return next(colour for colour in (LOUD, TAKEN, QUIET, OVER) if colour in colours)


def _notice(page: Page) -> tuple[str, list[dict[str, Any]]]:
    notice = page.notice
    assert notice is not None  # noqa: S101 — a page is about an incident or a notice
    lines = [escaped(line) for line in notice.text.splitlines()]
    link = f"\n<{notice.url}|Open in OpsKnight>" if notice.url else ""
    text = _cut("\n".join(lines), MAX_TEXT_LENGTH - len(link))
    body = f"{text}{link}".strip() or escaped(notice.subject)
    blocks: list[Block] = [SectionBlock(text=MarkdownTextObject(text=body))]
    if repeated := _repeated(page):
        blocks.append(_context(repeated))
    return f"*{escaped(notice.subject)}*", [_attachment(QUIET, blocks)]


def _told(page: Page, incident: PagedIncident) -> str:
    """What happened, in one line."""
    if page.event is not None:
        return f"{escaped(_cut(page.event.message, MAX_TITLE_LENGTH))}: {linked(incident)}"
    return f"*{LOOKS[incident.status][0]}*: {linked(incident)}"


def _again(page: Page, incident: PagedIncident) -> str:
    """A further page about what this channel shows already."""
    words = f" {_repeated(page)}" if page.maybe_duplicate else ""
    return f"*Escalated*: {linked(incident)} is still {incident.status}.{words}"


def _repeated(page: Page) -> str:
    return "Sent again; the first may have arrived, too." if page.maybe_duplicate else ""


def _message(
    page: Page,
    text: str,
    attachments: list[dict[str, Any]],
    *,
    thread: bool,
    broadcast: bool = False,
) -> Message:
    return Message(
        address=page.address,
        text=text,
        data={
            "attachments": attachments,
            "thread": page.posted if thread else None,
            "broadcast": broadcast,
            "members": page.members,
            "on_call": len(page.notice.details.get("on_call", [])) if page.notice else 0,
            "is_test": page.reason == Notification.Reason.TEST,
            "is_notice": page.incident is None,
        },
    )


def _attachment(colour: str, blocks: Iterable[Block]) -> dict[str, Any]:
    return {"color": colour, "blocks": [block.to_dict() for block in blocks]}


def _context(*parts: str) -> ContextBlock:
    return ContextBlock(elements=[MarkdownTextObject(text=" · ".join(filter(None, parts)))])


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _is_pressed(block: dict[str, Any]) -> bool:
    """A row of buttons that want an answer."""
    return str(block["type"]) == "actions"
