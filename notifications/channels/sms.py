"""SMS: what a text message says; providers carry it."""

from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import ValidationError

from notifications.channels.base import Channel, DeliveryError, Message, Page, PagedIncident
from notifications.channels.email import one_line
from notifications.channels.phone_words import (
    REPEATED,
    count_of,
    incidents_of,
    is_repeated,
    link_of,
    news_of,
    service_of,
    summary_of,
)
from notifications.models import Notification
from notifications.models.preferences import clean_number
from notifications.sms_text import fit, plain

# Two parts are read at a glance and always arrive together.
MAX_PARTS = 2
# A link that leaves less room than this for the title is left out.
MIN_TITLE_LENGTH = 20
# By prefix of the number: India's networks take no answers, China's neither answers nor links.
NO_REPLIES = ("+91", "+86")
NO_LINKS = ("+86",)


class SmsChannel(Channel):
    """Title first, then a link and how to answer, where the country allows them."""

    name = "sms"
    queue = "sms"
    phrase = "by SMS"
    parallel = 20

    def render(self, pages: Sequence[Page]) -> Message:
        """The text, in at most MAX_PARTS parts.

        `data`: `form` is "sms"; `one_way` is the text without the hint how to answer, for
        providers and senders that take no answers.
        """
        address = checked_number(pages[0].address)
        incidents = incidents_of(pages)
        link = "" if address.startswith(NO_LINKS) else link_of_pages(pages, settings.SMS_LINKS)
        hint = "" if address.startswith(NO_REPLIES) else reply_hint(pages)
        before, words = _words(pages, incidents)
        return Message(
            address=address,
            text=_compose(before, words, link, hint),
            data={"form": "sms", "one_way": _compose(before, words, link, "")},
        )


def checked_number(address: str) -> str:
    """The number in E.164; raises DeliveryError for what is none."""
    try:
        return clean_number(address)
    except ValidationError as error:
        raise DeliveryError(
            "This is not a telephone number with its country.", permanent=True, breaks_address=True
        ) from error


def link_of_pages(pages: Sequence[Page], style: str) -> str:
    """Where to read more of incidents or of a notice; may be empty."""
    incidents = incidents_of(pages)
    if incidents:
        return link_of(incidents, style)
    notice = pages[0].notice
    return notice.url if notice is not None and style != "none" else ""


def reply_hint(pages: Sequence[Page]) -> str:
    """How to answer; empty where nothing can be answered."""
    codes = [page.reply_code for page in pages if page.reply_code is not None]
    if not codes or not settings.SMS_REPLIES or news_of(pages[0]):
        return ""
    if len(incidents_of(pages)) > 1:
        return f"Reply {codes[0]}aa to acknowledge all, {codes[0]}cc to resolve all."
    return f"Reply {codes[0]}a to acknowledge, {codes[0]}c to resolve."


def _words(pages: Sequence[Page], incidents: Sequence[PagedIncident]) -> tuple[str, str]:
    """What must be there, and what may be cut."""
    repeated = REPEATED if is_repeated(pages) else ""
    if not incidents:
        return f"{repeated}OpsKnight: ", plain(_notice_words(pages[0]))
    if len(incidents) > 1:
        titles = "; ".join(f"#{i.id} {summary_of(i)}" for i in incidents)
        return plain(f"{repeated}OpsKnight: {count_of(incidents)}: "), plain(titles)
    incident = incidents[0]
    state = news_of(pages[0]) or incident.urgency.capitalize()
    before = f"{repeated}OpsKnight #{incident.id} {state}, {service_of(incident)}: "
    return plain(before), plain(summary_of(incident))


def _notice_words(page: Page) -> str:
    """Subject and text; of a code only the text, which telephones recognise as one."""
    text = page.notice.text.strip() if page.notice is not None else ""
    if page.reason == Notification.Reason.VERIFICATION and text:
        return text
    return "\n".join(part for part in (one_line(page.title), text) if part)


def _compose(before: str, words: str, link: str, hint: str) -> str:
    """All that fits: a link that leaves no room for words is dropped, the words are cut."""
    for tail in ((link, hint), ("", hint)):
        after = "".join(f"\n{line}" for line in tail if line)
        text = fit(before, words, after, parts=MAX_PARTS)
        needed = min(len(words), MIN_TITLE_LENGTH)
        if text.startswith(before + words[:needed]) and text.endswith(after):
            return text
    return fit(before, words, "", parts=MAX_PARTS)
