"""The kinds of providers by name."""

from notifications.providers.base import Provider
from notifications.providers.discord import DiscordProvider
from notifications.providers.google_chat import GoogleChatProvider
from notifications.providers.in_app import InAppProvider
from notifications.providers.resend import ResendProvider
from notifications.providers.sendgrid import SendGridProvider
from notifications.providers.ses import SesProvider
from notifications.providers.slack import SlackProvider
from notifications.providers.slack_webhook import SlackWebhookProvider
from notifications.providers.smtp import SmtpProvider
from notifications.providers.sns import SnsProvider
from notifications.providers.teams import TeamsProvider
from notifications.providers.telegram import TelegramProvider
from notifications.providers.twilio import TwilioProvider
from notifications.providers.web_push import WebPushProvider
from notifications.providers.webhook import WebhookProvider

PROVIDERS: dict[str, Provider] = {
    provider.kind: provider
    for provider in (
        SmtpProvider(),
        SendGridProvider(),
        ResendProvider(),
        SesProvider(),
        TwilioProvider(),
        SnsProvider(),
        SlackProvider(),
        SlackWebhookProvider(),
        WebPushProvider(),
        TeamsProvider(),
        GoogleChatProvider(),
        DiscordProvider(),
        TelegramProvider(),
        WebhookProvider(),
        InAppProvider(),
    )
}
