"""Parts of pages by which a person links a browser or a chat: `{% push_button %}`.

They bring what they need, so that any page may hold them.
"""

from typing import Any, cast

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.template.context import Context

from notifications.models.preferences import Channel
from notifications.providers.web_push import push_contact
from notifications.selectors import chat_accounts_of
from notifications.services.accounts import accounts_of_kind
from notifications.services.push_subscriptions import browser_marks
from opsknight.models import User

register = template.Library()


@register.inclusion_tag("notifications/push_button.html", takes_context=True)
def push_button(context: Context) -> dict[str, Any]:
    """Notifies the person in this browser, or stops that. One query."""
    request: HttpRequest = context["request"]
    return {
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "key": settings.VAPID_PUBLIC_KEY,
        "apple_refuses": not push_contact(),
        "marks": " ".join(browser_marks(cast(User, request.user))),
    }


@register.inclusion_tag("notifications/slack_state.html", takes_context=True)
def slack_link(context: Context) -> dict[str, Any]:
    """Who the person is in Slack, and the way to the page that links. Two queries."""
    request: HttpRequest = context["request"]
    return {
        "request": request,
        "has_bot": bool(accounts_of_kind("slack")),
        "names": [name for _, name in chat_accounts_of(cast(User, request.user), Channel.SLACK)],
    }


@register.inclusion_tag("notifications/telegram_link.html", takes_context=True)
def telegram_link(context: Context) -> dict[str, Any]:
    """Links the person's Telegram, and unlinks it. Two queries where there is a bot."""
    request: HttpRequest = context["request"]
    has_bot = any(account["webhook_secret"] for account in accounts_of_kind("telegram"))
    return {
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "has_bot": has_bot,
        "accounts": chat_accounts_of(cast(User, request.user), Channel.TELEGRAM) if has_bot else [],
    }
