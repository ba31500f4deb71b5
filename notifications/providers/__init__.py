"""The kinds of providers by name."""

from notifications.providers.base import Provider
from notifications.providers.in_app import InAppProvider
from notifications.providers.slack import SlackProvider
from notifications.providers.slack_webhook import SlackWebhookProvider
from notifications.providers.smtp import SmtpProvider
from notifications.providers.webhook import WebhookProvider

PROVIDERS: dict[str, Provider] = {
    provider.kind: provider
    for provider in (
        SmtpProvider(),
        SlackProvider(),
        SlackWebhookProvider(),
        WebhookProvider(),
        InAppProvider(),
    )
}
