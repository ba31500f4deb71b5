"""What chats and browsers say about pages: the same words, whatever they are put into."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from notifications.channels.base import Page, PagedIncident
from notifications.channels.email import one_line

MAX_TITLE_LENGTH = 200
MAX_TEXT_LENGTH = 1000
# Of several incidents in one message so many are named.
MAX_NAMED = 10
REPEATED = "This may be a repetition: the first message may have arrived, too."
# The colours that the product has always used in chats.
COLOURS = {
    "triggered": 0xD32F2F,
    "acknowledged": 0xF9A825,
    "resolved": 0x388E3C,
    "snoozed": 0x5F6B7A,
    "suppressed": 0x5F6B7A,
}
NOTICE_COLOUR = 0x2B50C8


@dataclass(frozen=True)
class Words:
    """One message in plain words. Titles and texts come from outside: escape them."""

    title: str  # one line
    text: str  # a few lines, may be empty
    facts: tuple[tuple[str, str], ...]  # label, value
    url: str  # of the page that says more; may be empty
    link: str  # what the link to it says
    status: str  # stored value of the worst incident; empty for a notice
    incidents: tuple[PagedIncident, ...]

    @property
    def colour(self) -> int:
        """Of the status, as 0xRRGGBB."""
        return COLOURS.get(self.status, NOTICE_COLOUR)

    @property
    def hex_colour(self) -> str:
        """Of the status, as "#rrggbb"."""
        return f"#{self.colour:06x}"

    @property
    def plain(self) -> str:
        """All of it as lines of text."""
        facts = [f"{label}: {value}" for label, value in self.facts]
        return "\n".join(part for part in (self.title, self.text, *facts, self.url) if part)


def words_of(pages: Sequence[Page]) -> Words:
    """What to say of these pages, which go to one address; at least one."""
    incidents = tuple(page.incident for page in pages if page.incident is not None)
    repeated = REPEATED if any(page.maybe_duplicate for page in pages) else ""
    if len(pages) == 1:
        page = pages[0]
        if not incidents:
            return _of_notice(page, repeated)
        news = one_line(page.event.message) if page.event is not None else ""
        return words_of_incident(incidents[0], news=news, repeated=repeated)
    return _of_several(pages, incidents, repeated)


def incident_line(incident: PagedIncident) -> str:
    """An incident in one line."""
    return _shortened(one_line(f"#{incident.id} {incident.title}"), MAX_TITLE_LENGTH)


def words_of_incident(incident: PagedIncident, *, news: str = "", repeated: str = "") -> Words:
    """What to say of one incident; `news`: what just happened to it."""
    facts = [
        ("Service", incident.service_name),
        ("Urgency", incident.urgency.capitalize()),
        ("Status", incident.status.capitalize()),
    ]
    if incident.assignee is not None:
        facts.append(("Assigned to", incident.assignee.name))
    return Words(
        title=incident_line(incident),
        text=_paragraphs(news, _shortened(incident.description.strip(), MAX_TEXT_LENGTH), repeated),
        facts=tuple(facts),
        url=incident.url,
        link="Open the incident",
        status=incident.status,
        incidents=(incident,),
    )


def _of_notice(page: Page, repeated: str) -> Words:
    notice = page.notice
    text = notice.text.strip() if notice is not None else ""
    return Words(
        title=_shortened(one_line(page.title), MAX_TITLE_LENGTH),
        text=_paragraphs(_shortened(text, MAX_TEXT_LENGTH), repeated),
        facts=(),
        url=notice.url if notice is not None else "",
        link="Open OpsKnight",
        status="",
        incidents=(),
    )


def _of_several(
    pages: Sequence[Page], incidents: tuple[PagedIncident, ...], repeated: str
) -> Words:
    services = {incident.service_id: incident.service_name for incident in incidents}
    lines = [
        incident_line(page.incident) if page.incident is not None else one_line(page.title)
        for page in pages
    ]
    left = len(lines) - MAX_NAMED
    named = [*lines[:MAX_NAMED], *([f"and {left} more"] if left > 0 else [])]
    where = f" on {next(iter(services.values()))}" if len(services) == 1 else ""
    query = f"?service={next(iter(services))}" if len(services) == 1 else ""
    return Words(
        title=one_line(_several(pages, incidents) + where),
        text=_paragraphs("\n".join(named), repeated),
        facts=(),
        url=f"{settings.PUBLIC_URL}/incidents/{query}" if incidents else settings.PUBLIC_URL,
        link="Open the incidents" if incidents else "Open OpsKnight",
        status=_worst(incidents),
        incidents=incidents,
    )


def _several(pages: Sequence[Page], incidents: Sequence[PagedIncident]) -> str:
    if len(incidents) < len(pages):
        return f"{len(pages)} messages"
    statuses = {incident.status for incident in incidents}
    return f"{len(pages)} {statuses.pop() if statuses <= {'resolved'} else 'open'}"


def _worst(incidents: Sequence[PagedIncident]) -> str:
    """The status that matters most: what nobody has taken yet before the others."""
    order = list(COLOURS)
    return min((i.status for i in incidents), key=order.index, default="")


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
