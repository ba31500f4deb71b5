"""The channels by name."""

from notifications.channels.base import Channel
from notifications.channels.discord import DiscordChannel
from notifications.channels.email import EmailChannel
from notifications.channels.google_chat import GoogleChatChannel
from notifications.channels.in_app import InAppChannel
from notifications.channels.push import PushChannel
from notifications.channels.slack import SlackChannel
from notifications.channels.sms import SmsChannel
from notifications.channels.teams import TeamsChannel
from notifications.channels.telegram import TelegramChannel
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
        PushChannel(),
        TeamsChannel(),
        GoogleChatChannel(),
        DiscordChannel(),
        TelegramChannel(),
        WebhookChannel(),
        InAppChannel(),
    )
}
