"""Outgoing messages: the log, one in detail with its attempts, and once more."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from incidents.web.answers import back_to, say, signed_in
from notifications import message_words
from notifications.message_log import (
    OUTGOING,
    MessageSearch,
    get_message_for,
    get_message_to_resend_for,
    may_resend,
    narrowed_messages,
    page_of_messages,
    visible_messages,
)
from notifications.models import Notification
from notifications.services.resending import (
    is_repeatable,
    resend_message,
    resends_of,
    why_not_again,
)
from opsknight.errors import OpsKnightError
from opsknight.models import User
from opsknight.web import client_ip

STATES = [
    ("waiting", "Waiting"),
    ("reached", "Sent or delivered"),
    *[choice for choice in Notification.State.choices if choice[0] not in ("pending", "sending")],
]


@dataclass(frozen=True)
class ShownMessage:
    """A message as pages show it."""

    message: Notification
    phrase: str  # "by e-mail"
    address: str  # in full only for its own person
    subject: str
    cause: str
    outcome: str  # "Delivered (after 5m)"
    waiting: str  # why it has not gone out; empty when it has


def shown_message(message: Notification, user: User) -> ShownMessage:
    """The message in the words for this person."""
    is_own = message.user_id == user.pk
    return ShownMessage(
        message=message,
        phrase=message_words.phrase_of(message),
        address=message.address if is_own else message_words.masked_address(message),
        subject=message_words.subject_of(message),
        cause=message_words.cause_of(message),
        outcome=message_words.outcome_of(message),
        waiting=message_words.waiting_for(message),
    )


@never_cache
@login_required
@require_safe
def messages(request: HttpRequest) -> HttpResponse:
    """What went out, and what waits: first what waits, then the latest."""
    user = signed_in(request)
    wanted = MessageSearch.parse(request.GET)
    found = narrowed_messages(visible_messages(user), wanted)
    page = page_of_messages(found, request.GET.get("older", ""))
    context = {
        "wanted": wanted,
        "rows": [shown_message(row, user) for row in page.rows],
        "states": STATES,
        "channels": OUTGOING,
        "reasons": Notification.Reason.choices,
        "may_see_replies": user.is_admin,
        "older": f"?{wanted.query(older=page.older)}" if page.older else "",
        "newest": f"?{wanted.query()}" if request.GET.get("older") else "",
    }
    return render(request, "notifications/messages.html", context)


@never_cache
@login_required
@require_safe
def message(request: HttpRequest, pk: int) -> HttpResponse:
    """One message: what became of it, every attempt with its answer, and why it waits."""
    user = signed_in(request)
    row = get_message_for(user, pk)
    may = may_resend(user, row)
    context = {
        "shown": shown_message(row, user),
        "message": row,
        "attempts": row.delivery_attempts.all(),
        "resends": resends_of(row),
        "may_resend": may,
        "why_not_again": why_not_again(row) if may else "",
        "is_repeatable": is_repeatable(row),
        "may_open_sandbox": user.is_responder,
    }
    return render(request, "notifications/message.html", context)


@login_required
@require_POST
def resend(request: HttpRequest, pk: int) -> HttpResponse:
    """Send it once more."""
    user = signed_in(request)
    row = get_message_to_resend_for(user, pk)
    try:
        copy = resend_message(message=row, actor=user, now=timezone.now(), ip=client_ip(request))
    except OpsKnightError as error:
        answer = redirect("notifications:message", row.pk)
        return say(request, answer, error.message, level="warning")
    address = reverse("notifications:message", args=[copy.pk])
    return say(request, back_to(request, address), "It is on its way again.")


message_patterns: list[URLPattern] = [
    path("deliveries/", messages, name="messages"),
    path("deliveries/<int:pk>/", message, name="message"),
    path("deliveries/<int:pk>/resend/", resend, name="message_resend"),
]
