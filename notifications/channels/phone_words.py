"""What the channels of telephones say: in few words, because they are short or read aloud."""

import re
from collections import Counter
from collections.abc import Sequence

from django.conf import settings

from notifications.channels.base import Page, PagedIncident
from notifications.channels.email import one_line
from notifications.models import Notification

MAX_SERVICE_LENGTH = 40
REPEATED = "Possibly repeated: "
NO_SUMMARY = "No summary provided"
CODE = re.compile(r"\b[0-9]{6}\b")


def summary_of(incident: PagedIncident) -> str:
    """The title in one line; a title without a word is said to be missing."""
    title = one_line(incident.title)
    return title if any(letter.isalnum() for letter in title) else NO_SUMMARY


def service_of(incident: PagedIncident) -> str:
    """The service's name, cut so that it leaves room for the title."""
    return one_line(incident.service_name)[:MAX_SERVICE_LENGTH].rstrip()


def incidents_of(pages: Sequence[Page]) -> list[PagedIncident]:
    """The incidents that a message tells of, each once, newest first."""
    found = {page.incident.id: page.incident for page in pages if page.incident is not None}
    return sorted(found.values(), key=lambda incident: incident.id, reverse=True)


def is_repeated(pages: Sequence[Page]) -> bool:
    """Whether one of them may have arrived before."""
    return any(page.maybe_duplicate for page in pages)


def news_of(page: Page) -> str:
    """What became of the incident, for a status update; empty for a page."""
    if page.incident is None or page.reason != Notification.Reason.STATUS:
        return ""
    if page.event is not None:
        return one_line(page.event.message)
    return page.incident.status.capitalize()


def count_of(incidents: Sequence[PagedIncident]) -> str:
    """ "4 open on Checkout", or "6 open: 4 on Checkout, 2 on Search"."""
    services = Counter(service_of(incident) for incident in incidents)
    if len(services) == 1:
        return f"{len(incidents)} open on {next(iter(services))}"
    parts = ", ".join(f"{count} on {name}" for name, count in services.most_common(3))
    return f"{len(incidents)} open: {parts}"


def link_of(incidents: Sequence[PagedIncident], style: str) -> str:
    """Where to read more: the incident, or the list of open ones; `style` is full, short or none.

    Short is an address of our own that leads on to the full one.
    """
    if style == "none":
        return ""
    if len(incidents) == 1:
        short = f"{settings.PUBLIC_URL}/i/{incidents[0].id}"
        return short if style == "short" else incidents[0].url
    services = {incident.service_id for incident in incidents}
    query = f"?service={services.pop()}" if len(services) == 1 else ""
    return f"{settings.PUBLIC_URL}/{'i/' if style == 'short' else 'incidents/'}{query}"


def code_of(page: Page) -> str:
    """The six digits of a verification; empty for everything else."""
    if page.reason != Notification.Reason.VERIFICATION or page.notice is None:
        return ""
    found = CODE.search(f"{page.title} {page.notice.text}")
    return found[0] if found else ""
