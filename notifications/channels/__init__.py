"""The channels by name."""

from notifications.channels.base import Channel
from notifications.channels.email import EmailChannel
from notifications.channels.in_app import InAppChannel
from notifications.channels.webhook import WebhookChannel

CHANNELS: dict[str, Channel] = {
    channel.name: channel for channel in (EmailChannel(), WebhookChannel(), InAppChannel())
}
