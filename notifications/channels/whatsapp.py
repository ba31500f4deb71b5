"""WhatsApp: the values of a template that its operator approved; providers send it."""

from collections.abc import Sequence

from notifications.channels.base import Channel, Message, Page
from notifications.channels.email import one_line
from notifications.channels.phone_words import (
    REPEATED,
    code_of,
    count_of,
    incidents_of,
    is_repeated,
    link_of,
    news_of,
    service_of,
    summary_of,
)
from notifications.channels.sms import checked_number, link_of_pages, reply_hint

# WhatsApp refuses long values, empty ones, and such with line breaks or many blanks.
MAX_VALUE_LENGTH = 300


class WhatsAppChannel(Channel):
    """Only templates may be sent to somebody who did not write in the last 24 hours."""

    name = "whatsapp"
    queue = "whatsapp"
    phrase = "by WhatsApp"
    parallel = 20

    def render(self, pages: Sequence[Page]) -> Message:
        """The values of the template, and the same as plain text.

        `data`: `form` is "whatsapp"; `variables`, "1" to "4": title, service, status with the hint
        how to answer, link; `code`, of a verification, for a template of its own.
        """
        incidents = incidents_of(pages)
        values = _of_incidents(pages) if incidents else _of_notice(pages[0])
        variables = {str(n): _value(text) for n, text in enumerate(values, start=1)}
        return Message(
            address=checked_number(pages[0].address),
            text="\n".join(variables.values()),
            data={"form": "whatsapp", "variables": variables, "code": code_of(pages[0])},
        )


def _of_incidents(pages: Sequence[Page]) -> tuple[str, ...]:
    incidents = incidents_of(pages)
    newest = incidents[0]
    hint = reply_hint(pages)
    repeated = REPEATED if is_repeated(pages) else ""
    if len(incidents) > 1:
        titles = "; ".join(f"#{i.id} {summary_of(i)}" for i in incidents)
        services = ", ".join(sorted({service_of(i) for i in incidents}))
        status = f"{count_of(incidents)}. {hint}"
        return (f"{repeated}{titles}", services, status, link_of(incidents, "full"))
    status = news_of(pages[0]) or f"{newest.status.capitalize()}, {newest.urgency} urgency"
    title = f"{repeated}#{newest.id} {summary_of(newest)}"
    return (title, service_of(newest), f"{status}. {hint}", link_of(incidents, "full"))


def _of_notice(page: Page) -> tuple[str, ...]:
    text = page.notice.text if page.notice is not None else ""
    return (page.title, "OpsKnight", text, link_of_pages([page], "full"))


def _value(text: str) -> str:
    line = one_line(text)
    if len(line) > MAX_VALUE_LENGTH:
        line = line[: MAX_VALUE_LENGTH - 1].rstrip() + "…"
    return line or "-"
