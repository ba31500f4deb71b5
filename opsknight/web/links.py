"""The pages behind one-time links: set up, accept an invitation, set a new password."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User, UserToken
from opsknight.ratelimit import limit_requests
from opsknight.services import accounts
from opsknight.services.links import LinkUnusable, find_link
from opsknight.web import client_ip
from opsknight.web.forms import JoinForm, NewPasswordForm, SetupForm, add_errors

PAGES = {
    UserToken.Purpose.SETUP: "opsknight:setup",
    UserToken.Purpose.INVITE: "opsknight:accept_invite",
    UserToken.Purpose.PASSWORD_RESET: "opsknight:reset_password",
}
LINK_RATE = "60/m"


def address_of(purpose: UserToken.Purpose, token: str) -> str:
    """The whole address of a one-time link, to be copied or printed."""
    return f"{settings.PUBLIC_URL}{reverse(PAGES[purpose], args=[token])}"


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: HttpRequest, token: str) -> HttpResponse:
    """Create the first administrator and sign them in."""

    def act(form: NewPasswordForm) -> User:
        data = form.cleaned_data
        return accounts.set_up(
            token=token,
            email=data["email"],
            name=data["name"],
            password=data["password"],
            time_zone=data["time_zone"],
            ip=client_ip(request),
            now=timezone.now(),
        )

    purpose, form = UserToken.Purpose.SETUP, SetupForm(request.POST or None)
    return _page(request, purpose, token, form, act, "opsknight/setup.html")


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def accept_invite(request: HttpRequest, token: str) -> HttpResponse:
    """Choose a password, become an active user, be signed in."""

    def act(form: NewPasswordForm) -> User:
        data = form.cleaned_data
        return accounts.accept_invitation(
            token=token,
            name=data["name"],
            password=data["password"],
            time_zone=data["time_zone"],
            ip=client_ip(request),
            now=timezone.now(),
        )

    purpose, form = UserToken.Purpose.INVITE, JoinForm(request.POST or None)
    return _page(request, purpose, token, form, act, "opsknight/accept_invite.html")


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def reset_password(request: HttpRequest, token: str) -> HttpResponse:
    """Choose a new password and be signed in, here only."""

    def act(form: NewPasswordForm) -> User:
        return accounts.reset_password(
            token=token,
            password=form.cleaned_data["password"],
            ip=client_ip(request),
            now=timezone.now(),
        )

    purpose, form = UserToken.Purpose.PASSWORD_RESET, NewPasswordForm(request.POST or None)
    return _page(request, purpose, token, form, act, "opsknight/reset_password.html")


def _page(
    request: HttpRequest,
    purpose: UserToken.Purpose,
    token: str,
    form: NewPasswordForm,
    act: Callable[[NewPasswordForm], User],
    template: str,
) -> HttpResponse:
    """The form of a link that works; `act` takes the link and answers whom to sign in."""
    limit_requests(request, group="links", rate=LINK_RATE)
    try:
        link = find_link(purpose=purpose, token=token, now=timezone.now())
        if form.is_valid():
            login(request, act(form))
            messages.success(request, "Welcome. You are signed in.")
            return redirect("/")
    except InvalidInput as error:
        add_errors(form, error)
    except (LinkUnusable, Conflict) as error:
        page = "opsknight/link_unusable.html"
        problem = {"message": error.message, "purpose": purpose}
        return render(request, page, problem, status=error.status)
    if link.user is not None and not form.is_bound:
        form.initial = {"name": link.user.name, "time_zone": link.user.time_zone}
    context = {"form": form, "person": link.user}
    return render(request, template, context, status=400 if form.errors else 200)
