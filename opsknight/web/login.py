"""Signing in and out."""

from django.contrib.auth import login, logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from opsknight.errors import NotAllowed
from opsknight.models import User
from opsknight.ratelimit import limit_requests
from opsknight.services.accounts import has_administrator
from opsknight.services.login import LockedOut, WrongPassword, check_sign_in, record_sign_out
from opsknight.web import client_ip
from opsknight.web.forms import LoginForm

# Sign-ins tried from one network, whoever is meant.
LOGIN_RATE = "30/m"


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for address and password; on to `next` when they are right."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(next_page(request))
    form = LoginForm(request.POST or None)
    status = 200
    if request.method == "POST":
        limit_requests(request, group="login", rate=LOGIN_RATE)
        status = _try(request, form)
        if status == 200:
            return HttpResponseRedirect(next_page(request))
    context = {
        "form": form,
        "next": request.POST.get("next", request.GET.get("next", "")),
        "needs_setup": not has_administrator(),
    }
    return render(request, "opsknight/login.html", context, status=status)


def _try(request: HttpRequest, form: LoginForm) -> int:
    """Open the session, or say in the form why not; returns the status to answer with."""
    if not form.is_valid():
        return 400
    try:
        user = check_sign_in(
            email=form.cleaned_data["email"],
            password=form.cleaned_data["password"],
            ip=client_ip(request),
            now=timezone.now(),
        )
    except (WrongPassword, LockedOut) as error:
        form.add_error(None, error.message)
        return error.status
    login(request, user)
    return 200


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this session."""
    if isinstance(request.user, User):
        record_sign_out(user=request.user, ip=client_ip(request))
    logout(request)
    return redirect("opsknight:login")


def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """The admin's own sign-in leads to ours, so that its limits and lockouts hold there too.

    Whoever is signed in and sent here anyway is no administrator.
    """
    if not request.user.is_authenticated:
        return redirect_to_login(next_page(request, default="/admin/"))
    if not request.user.is_staff:
        raise NotAllowed("Only administrators may open the admin. Ask one of them.")
    return HttpResponseRedirect(next_page(request, default="/admin/"))


def next_page(request: HttpRequest, default: str = "/") -> str:
    """Where to go on: a page of ours, never another site."""
    wanted = request.POST.get("next", request.GET.get("next", ""))
    is_safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_safe else default
