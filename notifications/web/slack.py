"""One's own accounts in Slack, and the channels that a destination can be."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from incidents.web.answers import say, signed_in
from notifications.models.preferences import Channel
from notifications.selectors import chat_accounts_of, may_create_destinations
from notifications.services import chat_accounts
from notifications.services.accounts import accounts_of_kind
from notifications.services.slack_rooms import slack_rooms
from opsknight.errors import NotAllowed, OpsKnightError
from opsknight.ratelimit import limit_requests
from opsknight.web import client_ip

# Messages with a link that one person may ask for.
OFFER_RATE = "5/h"


@never_cache
@login_required
@require_safe
def slack_accounts(request: HttpRequest) -> HttpResponse:
    """Which members of Slack act as this person, and how to link one more."""
    user = signed_in(request)
    context = {
        "accounts": chat_accounts_of(user, Channel.SLACK),
        "has_bot": bool(accounts_of_kind("slack")),
    }
    return render(request, "notifications/slack_accounts.html", context)


@login_required
@require_POST
def find(request: HttpRequest) -> HttpResponse:
    """Send a link to whoever has this person's address in Slack."""
    user = signed_in(request)
    limit_requests(request, group="slack-links", rate=OFFER_RATE, key=str(user.pk))
    answer = redirect("notifications:slack_accounts")
    try:
        chat_accounts.offer_link(user=user)
    except OpsKnightError as error:
        return say(request, answer, error.message, level="warning")
    return say(request, answer, "The bot has sent you a link in Slack. It works for an hour.")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether the member of Slack is the signed-in person; POST says yes."""
    user, offer = signed_in(request), chat_accounts.read_offer(token)
    if request.method != "POST":
        return render(request, "notifications/slack_link.html", {"offer": offer})
    chat_accounts.link_member(
        user=user,
        offer=offer,
        wants_messages=request.POST.get("messages") == "on",
        now=timezone.now(),
        ip=client_ip(request),
    )
    text = f"{offer.name} in Slack acts as you from now on."
    return say(request, redirect("notifications:slack_accounts"), text)


@login_required
@require_POST
def unlink(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a member of Slack not act as this person any more."""
    chat_accounts.unlink_member(user=signed_in(request), pk=pk, ip=client_ip(request))
    text = "The account in Slack does not act as you any more."
    return say(request, redirect("notifications:slack_accounts"), text)


@never_cache
@login_required
@require_safe
def rooms(request: HttpRequest) -> HttpResponse:
    """The channels that the bot is in, for the form of a destination."""
    if not may_create_destinations(signed_in(request)):
        raise NotAllowed("Only administrators and who leads a team may make destinations.")
    context: dict[str, object] = {"has_bot": bool(accounts_of_kind("slack"))}
    try:
        context["rooms"] = slack_rooms()
    except OpsKnightError as error:
        context["problem"] = error.message
    return render(request, "notifications/slack_rooms.html", context)


slack_patterns: list[URLPattern] = [
    path("settings/slack/", slack_accounts, name="slack_accounts"),
    path("settings/slack/find/", find, name="slack_find"),
    path("settings/slack/link/<str:token>/", link, name="slack_link"),
    path("settings/slack/<int:pk>/unlink/", unlink, name="slack_unlink"),
    path("destinations/slack-channels/", rooms, name="slack_rooms"),
]
