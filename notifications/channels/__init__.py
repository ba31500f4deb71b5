"""The channels by name."""

from notifications.channels.base import Channel
from notifications.channels.email import EmailChannel
from notifications.channels.in_app import InAppChannel
from notifications.channels.slack import SlackChannel
from notifications.channels.sms import SmsChannel
from notifications.channels.voice import VoiceChannel
from notifications.channels.webhook import WebhookChannel
from notifications.channels.whatsapp import WhatsAppChannel

CHANNELS: dict[str, Channel] = {
    channel.name: channel
    for channel in (
        EmailChannel(),
        SmsChannel(),
        VoiceChannel(),
        WhatsAppChannel(),
        SlackChannel(),
        WebhookChannel(),
        InAppChannel(),
    )
}
