"""Voice: what a call says; providers speak it and collect the keys."""

from collections.abc import Sequence

from notifications.channels.base import Channel, Message, Page, PagedIncident
from notifications.channels.email import one_line
from notifications.channels.phone_words import (
    code_of,
    count_of,
    incidents_of,
    is_repeated,
    news_of,
    service_of,
    summary_of,
)
from notifications.channels.sms import checked_number

# What is longer is not listened to.
MAX_WORDS = 300


class VoiceChannel(Channel):
    """A call that reads the page and takes keys as answers."""

    name = "voice"
    queue = "voice"
    phrase = "by telephone"
    parallel = 10

    def render(self, pages: Sequence[Page]) -> Message:
        """The words to be spoken.

        `data`: `form` is "voice"; `pages`, the ids of the notifications that the call is about;
        `can_answer`, whether keys mean anything: not for notices.
        """
        incidents = incidents_of(pages)
        return Message(
            address=checked_number(pages[0].address),
            text=spoken(pages),
            data={
                "form": "voice",
                "pages": [page.notification_id for page in pages],
                "can_answer": bool(incidents) and not news_of(pages[0]),
            },
        )


def spoken(pages: Sequence[Page]) -> str:
    """What the call says before it names the keys."""
    hello = "Hello, this is OpsKnight."
    if is_repeated(pages):
        hello += " You may have been called about this before."
    incidents = incidents_of(pages)
    said = script(incidents, news_of(pages[0])) if incidents else _notice(pages[0])
    return f"{hello} {said}"


def script(incidents: Sequence[PagedIncident], news: str = "") -> str:
    """What is wrong, in a few sentences; `news` of a status update stands for the urgency."""
    newest = incidents[0]
    if len(incidents) > 1:
        words = count_of(incidents).replace("open", "unacknowledged incidents", 1)
        return f"{words}. The latest: {_cut(summary_of(newest))}."
    what = news or f"{newest.urgency.capitalize()} urgency"
    return f"{what}, {service_of(newest)}. {_cut(summary_of(newest))}."


def _notice(page: Page) -> str:
    if code := code_of(page):
        digits = ", ".join(code)
        return f"Your verification code is: {digits}. Again: {digits}."
    text = page.notice.text if page.notice is not None else ""
    return _cut(one_line(f"{page.title}. {text}"))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_WORDS else text[:MAX_WORDS].rsplit(" ", 1)[0]
