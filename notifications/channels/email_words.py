"""What mails say: of one page, of several in one mail, and of notices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from notifications.channels.base import Page, PagedIncident
from notifications.links import answer_url
from notifications.models import Notification

MAX_SUBJECT_LENGTH = 200
MAX_DESCRIPTION_LENGTH = 4000
Reason = Notification.Reason
# Why somebody gets a notice, at its end.
WHY = {
    Reason.ON_CALL: "you get this because you are on call in OpsKnight, or run what is.",
    Reason.TEST: "you get this because somebody tries whether messages arrive.",
    Reason.VERIFICATION: "you get this because this address was entered in OpsKnight as yours. "
    "If you do not know of it, do nothing.",
    Reason.DIGEST: "you get this because you chose to hear of low urgency now and then.",
}


@dataclass(frozen=True)
class Line:
    """One of several pages in a mail."""

    title: str
    incident: PagedIncident | None
    url: str
    actions: list[tuple[str, str]]  # label, address


def subject_of(pages: Sequence[Page]) -> str:
    """One line, the same for all mails of an incident, so that mail programs group them."""
    page = pages[0]
    if len(pages) > 1:
        text = f"{count_of(pages)}{_where(pages)}"
    elif page.incident is not None:
        urgency = page.incident.urgency.capitalize()
        text = f"#{page.incident.id} {urgency}: {one_line(page.incident.title)}"
    else:
        text = one_line(page.title)
    return f"[OpsKnight] {text}"[:MAX_SUBJECT_LENGTH]


def bodies_of(pages: Sequence[Page], *, subject: str) -> tuple[str, str]:
    """As plain text and as HTML, in the present time zone."""
    page = pages[0]
    if len(pages) > 1:
        name, context = "bundle", _several(pages)
    elif page.incident is not None:
        name, context = "page", _one(page, page.incident)
    else:
        name, context = "notice", {"notice": page.notice, "why": _why(page)}
    context |= {
        "page": page,
        "subject": subject,
        "is_repeated": any(page.maybe_duplicate for page in pages),
    }
    return (
        render_to_string(f"notifications/email/{name}.txt", context),
        render_to_string(f"notifications/email/{name}.html", context),
    )


def one_line(text: str) -> str:
    """Text without line breaks and control characters, fit for a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def count_of(pages: Sequence[Page]) -> str:
    """How many pages a mail tells of: "6 open"."""
    statuses = {page.incident.status for page in pages if page.incident is not None}
    if any(page.incident is None for page in pages):
        return f"{len(pages)} messages"
    return f"{len(pages)} {'resolved' if statuses == {'resolved'} else 'open'}"


def _where(pages: Sequence[Page]) -> str:
    names = {page.incident.service_name for page in pages if page.incident is not None}
    return f" on {one_line(names.pop())}" if len(names) == 1 else ""


def _one(page: Page, incident: PagedIncident) -> dict[str, Any]:
    return {
        "incident": incident,
        "intro": _intro(page),
        "actions": _actions(page),
        "description": incident.description[:MAX_DESCRIPTION_LENGTH],
    }


def _intro(page: Page) -> str:
    """Who this is for, and what is wanted of them."""
    name = page.recipient.name
    if page.event is not None:
        news = one_line(page.event.message).rstrip(".")
        if page.is_for_place:
            return f"{news}."
        return f"{name}, you were paged for this incident. {news}."
    if page.is_for_place:
        return f"{name} is paged. Acknowledge the incident to stop the escalation."
    if page.reason == Reason.ASSIGNMENT:
        return f"{name}, this incident was assigned to you or your team."
    if page.reason == Reason.STATUS:
        return f"{name}, there is news of an incident that you were paged for."
    return f"{name}, you are paged. Acknowledge the incident to stop the escalation."


def _actions(page: Page) -> list[tuple[str, str]]:
    """What can be done by links, without signing in; nothing from mails that only tell."""
    incident = page.incident
    if incident is None or incident.status == "resolved" or page.event is not None:
        return []
    actions: list[tuple[str, str]] = []
    if incident.status == "triggered" or page.reason == Reason.ESCALATION:
        actions.append(("Acknowledge", answer_url(page, "acknowledge")))
    actions.append(("Resolve", answer_url(page, "resolve")))
    return [(label, url) for label, url in actions if url]


def _several(pages: Sequence[Page]) -> dict[str, Any]:
    services = {page.incident.service_id for page in pages if page.incident is not None}
    query = f"?service={services.pop()}" if len(services) == 1 else ""
    return {
        "lines": [_line(page) for page in pages],
        "count": f"{count_of(pages)}{_where(pages)}",
        "url": f"{settings.PUBLIC_URL}/incidents/{query}",
        "all_url": _all_url(pages),
    }


def _all_url(pages: Sequence[Page]) -> str:
    """The link that acknowledges all of them; empty where nobody has to."""
    paged = [page for page in pages if page.reason == Reason.ESCALATION and _actions(page)]
    return answer_url(paged[0], "acknowledge_all") if len(paged) > 1 else ""


def _line(page: Page) -> Line:
    incident = page.incident
    if incident is None:
        url = page.notice.url if page.notice is not None else ""
        return Line(one_line(page.title), None, url, [])
    return Line(f"#{incident.id} {one_line(page.title)}", incident, incident.url, _actions(page))


def _why(page: Page) -> str:
    if page.is_for_place:
        return f"This goes to {page.recipient.name} of OpsKnight."
    return f"{page.recipient.name}, {WHY.get(Reason(page.reason), WHY[Reason.ON_CALL])}"
