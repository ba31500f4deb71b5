"""The components. Each is one tag with one template in `components/`; all are on /styleguide/.

Usage: `{% load ui %}`, then for example `{% status_pill incident.status %}`. Parameters and
examples: docs/reference/design-system.md.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any, NamedTuple, ParamSpec
from zlib import crc32

from django import template
from django.forms import BaseForm, BoundField
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide

from opsknight.web import moments

register = template.Library()


class Look(NamedTuple):
    """How a state appears: never by colour alone."""

    label: str
    icon: str  # lucide name
    tone: str  # neutral | brand | triggered | acknowledged | resolved | quiet


STATUSES = {
    "triggered": Look("Triggered", "circle-alert", "triggered"),
    "acknowledged": Look("Acknowledged", "user-check", "acknowledged"),
    "resolved": Look("Resolved", "circle-check", "resolved"),
    "snoozed": Look("Snoozed", "alarm-clock", "quiet"),
    "suppressed": Look("Suppressed", "bell-off", "quiet"),
}
DELIVERIES = {
    "pending": Look("Pending", "clock", "neutral"),
    "sending": Look("Sending", "send", "brand"),
    "sent": Look("Sent", "check", "brand"),
    "delivered": Look("Delivered", "check-check", "resolved"),
    "failed": Look("Failed", "circle-alert", "triggered"),
    "cancelled": Look("Cancelled", "ban", "quiet"),
    "sandboxed": Look("Sandboxed", "flask-conical", "quiet"),
}
URGENCIES = {
    "high": Look("High urgency", "chevrons-up", "high"),
    "medium": Look("Medium urgency", "chevron-up", "medium"),
    "low": Look("Low urgency", "chevron-down", "low"),
}
TOASTS = {
    "success": Look("Done", "circle-check", "resolved"),
    "info": Look("Note", "info", "brand"),
    "warning": Look("Warning", "triangle-alert", "acknowledged"),
    "error": Look("Error", "circle-alert", "triggered"),
}
AVATAR_TONES = 6


Parameters = ParamSpec("Parameters")
Component = Callable[Parameters, dict[str, object]]


def inline_component(name: str) -> Callable[[Component[Parameters]], Callable[Parameters, str]]:
    """Register a component that stands within a line: without the newline that ends its file."""

    def register_tag(context: Component[Parameters]) -> Callable[Parameters, str]:
        @wraps(context)
        def render(*args: Parameters.args, **kwargs: Parameters.kwargs) -> str:
            html = render_to_string(name, context(*args, **kwargs)).strip()
            return mark_safe(html)  # noqa: S308 - a template rendered it, strip() forgets that

        return register.simple_tag(render)

    return register_tag


@register.simple_tag
@lru_cache(maxsize=512)
def icon(name: str, size: int = 16, label: str = "") -> SafeString:
    """A lucide icon; without a label it is decoration and hidden from screen readers."""
    if label:
        return mark_safe(lucide(name, size=size, role="img", aria_label=label, **{"class": "icon"}))  # noqa: S308 - made from a packaged drawing, attributes escaped
    return mark_safe(lucide(name, size=size, aria_hidden="true", **{"class": "icon"}))  # noqa: S308 - the same


@inline_component("components/badge.html")
def badge(text: object, tone: str = "neutral", icon: str = "") -> dict[str, object]:
    """A short word in a tinted pill."""
    return {"text": text, "tone": tone, "icon": icon}


@inline_component("components/badge.html")
def status_pill(status: str) -> dict[str, object]:
    """The status of an incident, as icon and word."""
    look = STATUSES[status]
    return {"text": look.label, "tone": look.tone, "icon": look.icon}


@inline_component("components/badge.html")
def delivery_pill(state: str) -> dict[str, object]:
    """What became of a notification, as icon and word."""
    look = DELIVERIES[state]
    return {"text": look.label, "tone": look.tone, "icon": look.icon}


@inline_component("components/urgency_mark.html")
def urgency_mark(urgency: str, with_text: bool = False) -> dict[str, object]:
    """The urgency of an incident: an icon with its name, which `with_text` makes visible."""
    return {"look": URGENCIES[urgency], "with_text": with_text}


@inline_component("components/button.html")
def button(
    text: str,
    href: str = "",
    icon: str = "",
    variant: str = "",
    opens: str = "",
    hide_text: bool = False,
    **attributes: object,
) -> dict[str, object]:
    """A button, or a link that looks like one when `href` is given.

    `variant`: primary, danger, quiet (may be joined with small: "quiet small"). `opens`: id of the
    dialog to open. Other parameters become attributes, `hx_post=…` as `hx-post`; False is left out.
    """
    extra = str(attributes.pop("class", ""))
    if not href:
        attributes.setdefault("type", "button" if opens else "submit")
    return {
        "text": text,
        "href": href,
        "icon": icon,
        "classes": " ".join(
            ["button", *(f"button--{name}" for name in variant.split()), extra]
        ).strip(),
        "opens": opens,
        "hide_text": hide_text,
        "attributes": _flat(attributes),
    }


def _flat(attributes: dict[str, object]) -> SafeString:
    """Render attributes; None and False are left out, True has no value."""
    kept = {
        name.replace("_", "-"): value
        for name, value in attributes.items()
        if value is not None and value is not False
    }
    flags = format_html_join("", " {}", ((name,) for name, value in kept.items() if value is True))
    pairs = format_html_join(
        "", ' {}="{}"', ((name, value) for name, value in kept.items() if value is not True)
    )
    return format_html("{}{}", pairs, flags)


@register.simple_block_tag
def card(
    content: str,
    title: str = "",
    icon: str = "",
    href: str = "",
    link: str = "",
    flush: bool = False,
) -> SafeString:
    """A white sheet. `link` and `href`: where the title leads on; `flush`: rows up to the edges."""
    context = {"title": title, "icon": icon, "href": href, "link": link, "flush": flush}
    return render_to_string("components/card.html", context | {"content": content})


@register.inclusion_tag("components/empty_state.html")
def empty_state(
    title: str, text: str = "", href: str = "", label: str = "", icon: str = "inbox"
) -> dict[str, object]:
    """What stands where nothing is yet: says so, teaches the next step, links to it."""
    return {"title": title, "text": text, "href": href, "label": label, "icon": icon}


@register.inclusion_tag("components/field.html")
def field(bound_field: BoundField, needed: bool = False) -> dict[str, object]:
    """A form field with label, help and errors, all from the form.

    `needed`: it is not called optional, although the form does without it, for example because
    an empty choice is a choice, too.
    """
    return {
        "field": bound_field,
        "is_check": bound_field.widget_type == "checkbox",
        "is_group": bound_field.use_fieldset,
        "is_optional": not (needed or bound_field.field.required),
    }


@register.inclusion_tag("components/form_errors.html")
def form_errors(form: BaseForm) -> dict[str, object]:
    """All that keeps the form from being saved, at its top, each with a link to its field."""
    return {
        "general": form.non_field_errors(),
        "fields": [form[name] for name in form.errors if name in form.fields],
    }


@register.simple_block_tag
def table(content: str, caption: str, columns: str) -> SafeString:
    """A table around its rows. `columns`: names joined by `|`; `#` before a name: figures."""
    names = [name.strip() for name in columns.split("|")]
    heads = [{"name": name.lstrip("#"), "is_numeric": name.startswith("#")} for name in names]
    context = {"caption": caption, "heads": heads, "content": content}
    return render_to_string("components/table.html", context)


@register.simple_block_tag
def tabs(content: str, label: str) -> SafeString:
    """A row of `{% tab %}`s: views of one thing, each with its own address."""
    return render_to_string("components/tabs.html", {"label": label, "content": content})


@register.inclusion_tag("components/tab.html")
def tab(text: str, href: str, current: bool = False, count: int | None = None) -> dict[str, object]:
    """One of the `{% tabs %}`."""
    return {"text": text, "href": href, "current": current, "count": count}


@register.simple_block_tag
def dialog(content: str, id: str, title: str, wide: bool = False) -> SafeString:
    """A native dialog; `{% button … opens=id %}` opens it."""
    context = {"id": id, "title": title, "wide": wide, "content": content}
    return render_to_string("components/dialog.html", context)


@register.inclusion_tag("components/toast.html")
def toast(text: str, level: str = "info") -> dict[str, object]:
    """A short answer to what was just done; Django's message levels work as they are."""
    return {"text": text, "level": level, "look": TOASTS.get(level, TOASTS["info"])}


@inline_component("components/moment.html")
def when(moment: datetime | None, focusable: bool = True) -> dict[str, object]:
    """How long ago or in how long: "5 min ago"; the exact time and zone on hover and focus."""
    return _moment(moment, "ago", focusable)


@inline_component("components/moment.html")
def age(moment: datetime | None, focusable: bool = False) -> dict[str, object]:
    """How old, for dense rows: "5 min". Not a tab stop unless asked for."""
    return _moment(moment, "age", focusable)


@inline_component("components/moment.html")
def instant(moment: datetime | None, focusable: bool = False) -> dict[str, object]:
    """The date and time itself in the viewer's zone."""
    return _moment(moment, "exact", focusable)


def _moment(moment: datetime | None, style: moments.Style, focusable: bool) -> dict[str, object]:
    if moment is None:
        return {"moment": None}
    return {
        "moment": moment,
        "style": style,
        "text": moments.written(moment, style=style, now=timezone.now()),
        "exact": moments.exact(moment),
        "focusable": focusable,
    }


@inline_component("components/avatar.html")
def avatar(name: object, size: str = "") -> dict[str, object]:
    """A person's initials; the tone follows from the name. `size`: small, large."""
    text = str(name)
    return {
        "name": text,
        "initials": initials(text),
        "tone": crc32(text.encode()) % AVATAR_TONES + 1,
        "size": size,
    }


def initials(name: str) -> str:
    """First letters of the first and last word, at most two."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"


@register.inclusion_tag("components/person.html")
def person(name: object, note: object = "", href: str = "") -> dict[str, object]:
    """A person with initials and one line about them."""
    return {"name": name, "note": note, "href": href}


@register.inclusion_tag("components/pagination.html")
def pagination(newer: str = "", older: str = "", text: str = "") -> dict[str, object]:
    """Cursor pages: the addresses of the neighbours, empty where there is none."""
    return {"newer": newer, "older": older, "text": text}


@inline_component("components/copy_button.html")
def copy_button(text: object, label: str = "Copy") -> dict[str, object]:
    """A button that puts `text` on the clipboard."""
    return {"text": text, "label": label}


@register.inclusion_tag("components/code_block.html")
def code_block(text: object, label: str = "") -> dict[str, object]:
    """Text to paste elsewhere, with its copy button."""
    return {"text": text, "label": label}


@register.inclusion_tag("components/stat.html")
def stat(
    label: str, value: object, tone: str = "neutral", href: str = "", note: object = ""
) -> dict[str, object]:
    """One figure with its name. It is coloured only when it is not zero."""
    return {
        "label": label,
        "value": value,
        "tone": tone if value else "neutral",
        "href": href,
        "note": note,
    }


@register.simple_block_tag
def timeline_item(
    content: str,
    at: datetime,
    icon: str = "dot",
    tone: str = "neutral",
    actor: object = "",
) -> SafeString:
    """One thing that happened, inside `<ol class="timeline">`; the block says what."""
    context = {"at": at, "icon": icon, "tone": tone, "actor": actor, "content": content}
    return render_to_string("components/timeline_item.html", context)


@register.inclusion_tag("components/panel.html")
def panel(url_name: str, *args: object, live: str = "", label: str = "") -> dict[str, object]:
    """A fragment of another app, by URL name; nothing where that name does not exist.

    `live`: topics that make it fetch itself again, e.g. "oncall counters".
    """
    return {"url": optional_url(url_name, *args), "live": live, "label": label}


@register.simple_tag
def optional_url(name: str, *args: Any) -> str:
    """The address behind a URL name, empty when no app provides it."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
