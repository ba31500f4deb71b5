"""Messages that would have gone out, had their channel a provider."""

from email import message_from_string, policy

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from incidents.web.answers import signed_in
from notifications.models import SandboxMessage
from notifications.selectors import (
    get_sandbox_message_for,
    require_sandbox,
    visible_sandbox_messages,
)
from notifications.web.paging import stretch_of

PAGE_SIZE = 50


@login_required
@require_safe
def sandbox(request: HttpRequest) -> HttpResponse:
    """The messages, newest first; responders only."""
    user = signed_in(request)
    require_sandbox(user)
    messages = visible_sandbox_messages(user).defer("text", "html", "raw")
    # What has no subject is known by how it begins.
    messages = messages.annotate(beginning=Left("text", 100))
    context = {
        "page": stretch_of(messages, request.GET, PAGE_SIZE),
        "has_mail_server": bool(settings.EMAIL_URL),
    }
    return render(request, "notifications/sandbox.html", context)


@login_required
@require_safe
def sandbox_message(request: HttpRequest, pk: int) -> HttpResponse:
    """One message: its headers, its text, and its source. HTML is shown as source only."""
    message = get_sandbox_message_for(signed_in(request), pk)
    context = {"message": message, "headers": headers_of(message)}
    return render(request, "notifications/sandbox_message.html", context)


def headers_of(message: SandboxMessage) -> list[tuple[str, str]]:
    """The headers of a mail as people read them; none for other messages."""
    if message.notification.channel != "email":
        return []
    mail = message_from_string(message.raw, policy=policy.default)
    return [(name, str(value)) for name, value in mail.items()]
