"""How heartbeats are shown. Usage: `{% load heartbeats %}`."""

from datetime import timedelta

from django import template

from incidents.durations import in_words
from incidents.models import Heartbeat
from opsknight.templatetags.ui import Look, badge

register = template.Library()

State = Heartbeat.State
STATES = {
    State.ON_TIME: Look(State.ON_TIME.label, "heart-pulse", "resolved"),
    State.WAITING: Look(State.WAITING.label, "hourglass", "neutral"),
    State.LATE: Look(State.LATE.label, "alarm-clock-off", "triggered"),
    State.FAILED: Look(State.FAILED.label, "heart-crack", "triggered"),
    State.MUTED: Look(State.MUTED.label, "bell-off", "quiet"),
}


@register.simple_tag
def heartbeat_pill(heartbeat: Heartbeat) -> str:
    """How a heartbeat is, as icon and word; needs its integration."""
    look = STATES[heartbeat.state]
    return badge(look.label, look.tone, look.icon)


@register.filter
def duration(value: timedelta) -> str:
    """A length of time: "1 h 30 min"."""
    return in_words(value)
