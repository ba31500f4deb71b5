"""Addresses below /api/ that providers call; each file brings its own."""

from django.urls.resolvers import URLPattern

from notifications.api.providers.push import push_patterns
from notifications.api.providers.resend import resend_patterns
from notifications.api.providers.sendgrid import sendgrid_patterns
from notifications.api.providers.ses import ses_patterns
from notifications.api.providers.slack import slack_patterns
from notifications.api.providers.telegram import telegram_patterns
from notifications.api.providers.twilio import twilio_patterns

urlpatterns: list[URLPattern] = [
    *slack_patterns,
    *push_patterns,
    *telegram_patterns,
    *sendgrid_patterns,
    *resend_patterns,
    *ses_patterns,
    *twilio_patterns,
]
