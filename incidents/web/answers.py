"""How an action answers: a toast and fresh fragments for htmx, a message and a way on without."""

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import trigger_client_event

from opsknight.models import User

LEVELS = {
    "success": messages.SUCCESS,
    "info": messages.INFO,
    "warning": messages.WARNING,
}


def signed_in(request: HttpRequest) -> User:
    """The person behind a request that `login_required` has let through."""
    return cast(User, request.user)


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx asks, which wants a fragment."""
    return request.headers.get("HX-Request") == "true"


def say(
    request: HttpRequest,
    response: HttpResponse,
    text: str,
    *,
    level: str = "success",
    undo_url: str = "",
) -> HttpResponse:
    """Tell the person what happened: in this answer for htmx, else on the next page."""
    if not is_htmx(request):
        messages.add_message(request, LEVELS[level], text)
        return response
    toast: dict[str, object] = {"level": level, "text": text}
    if undo_url:
        toast["action"] = {"label": "Undo", "url": undo_url}
    return trigger_client_event(response, "toast", toast)


def back_to(request: HttpRequest, default: str) -> HttpResponseRedirect:
    """To the page that the form names in `next`, if it is one of ours."""
    wanted = request.POST.get("next", "")
    is_safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(wanted if is_safe else default)
