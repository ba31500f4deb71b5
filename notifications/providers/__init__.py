"""The kinds of providers by name."""

from notifications.providers.base import Provider
from notifications.providers.in_app import InAppProvider
from notifications.providers.resend import ResendProvider
from notifications.providers.sendgrid import SendGridProvider
from notifications.providers.ses import SesProvider
from notifications.providers.slack import SlackProvider
from notifications.providers.slack_webhook import SlackWebhookProvider
from notifications.providers.smtp import SmtpProvider
from notifications.providers.sns import SnsProvider
from notifications.providers.webhook import WebhookProvider

PROVIDERS: dict[str, Provider] = {
    provider.kind: provider
    for provider in (
        SmtpProvider(),
        SendGridProvider(),
        ResendProvider(),
        SesProvider(),
        SnsProvider(),
        SlackProvider(),
        SlackWebhookProvider(),
        WebhookProvider(),
        InAppProvider(),
    )
}
