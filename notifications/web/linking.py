"""Linking a browser or a Telegram account of one's own."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from incidents.web.answers import say, signed_in
from notifications.services import push_subscriptions, telegram_accounts
from notifications.services.push_subscriptions import Subscription
from notifications.services.telegram_accounts import CODE_LIVES
from notifications.web.service_worker import service_worker
from opsknight.errors import OpsKnightError
from opsknight.ratelimit import limit_requests
from opsknight.web import client_ip

CODE_RATE = "20/h"


@login_required
@require_POST
def subscribe(request: HttpRequest) -> HttpResponse:
    """Notify the person in the browser that sent this."""
    form = request.POST
    subscription = Subscription(
        form.get("endpoint", ""), form.get("p256dh", ""), form.get("auth", "")
    )
    try:
        push_subscriptions.subscribe_browser(
            user=signed_in(request),
            subscription=subscription,
            label=form.get("label", ""),
            now=timezone.now(),
            ip=client_ip(request),
        )
    except OpsKnightError as error:
        return _back(request, error.message, level="warning")
    return _back(request, "You are notified in this browser from now on. Send a test to see it.")


@login_required
@require_POST
def unsubscribe(request: HttpRequest) -> HttpResponse:
    """Notify the person there no more; that it was so already is no error."""
    try:
        push_subscriptions.unsubscribe_browser(
            user=signed_in(request),
            endpoint=request.POST.get("endpoint", ""),
            ip=client_ip(request),
        )
    except OpsKnightError as error:
        return _back(request, error.message, level="info")
    return _back(request, "You are not notified in this browser any more.")


@never_cache
@login_required
@require_POST
def telegram_code(request: HttpRequest) -> HttpResponse:
    """Show a code that links whoever writes it to the bot."""
    user = signed_in(request)
    limit_requests(request, group="telegram-codes", rate=CODE_RATE, key=str(user.pk))
    try:
        offer = telegram_accounts.offer_telegram_link(user=user)
    except OpsKnightError as error:
        return _back(request, error.message, level="warning")
    minutes = int(CODE_LIVES.total_seconds() // 60)
    context = {"offer": offer, "minutes": minutes}
    return render(request, "notifications/telegram_code.html", context)


@login_required
@require_POST
def telegram_unlink(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a Telegram account not act as this person any more."""
    telegram_accounts.unlink_telegram(user=signed_in(request), pk=pk, ip=client_ip(request))
    return _back(request, "The Telegram account is not linked any more.")


def _back(request: HttpRequest, text: str, *, level: str = "success") -> HttpResponse:
    return say(request, redirect("notifications:contact_methods"), text, level=level)


linking_patterns: list[URLPattern] = [
    path("sw.js", service_worker, name="service_worker"),
    path("settings/push/subscribe/", subscribe, name="subscribe_browser"),
    path("settings/push/unsubscribe/", unsubscribe, name="unsubscribe_browser"),
    path("settings/telegram/link/", telegram_code, name="telegram_link"),
    path("settings/telegram/<int:pk>/unlink/", telegram_unlink, name="telegram_unlink"),
]
