"""Channels on pages: `{% channel_icon destination.channel %}`."""

from django import template
from django.utils.safestring import SafeString

from notifications.channel_icons import ICONS
from notifications.models.preferences import Channel
from opsknight.templatetags.ui import icon

register = template.Library()


@register.simple_tag
def channel_icon(channel: str, size: int = 14) -> SafeString:
    """The drawing of a channel, named for screen readers."""
    kind = Channel(channel)
    return icon(ICONS[kind], size, kind.label)
