"""One's own account: name and zone, password and sessions, API keys."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from opsknight.errors import InvalidInput, NotAuthenticated
from opsknight.models import ApiKey, User
from opsknight.services import accounts
from opsknight.services.keys import create_api_key, get_own_api_key, revoke_api_key
from opsknight.services.login import LockedOut
from opsknight.web import client_ip
from opsknight.web.forms import ApiKeyForm, ChangePasswordForm, ProfileForm, add_errors


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Change one's own name and time zone."""
    user = signed_in(request)
    initial = {"name": user.name, "time_zone": user.time_zone}
    form = ProfileForm(request.POST or None, initial=initial)
    if form.is_valid():
        try:
            accounts.change_profile(user=user, **form.cleaned_data, ip=client_ip(request))
        except InvalidInput as error:
            add_errors(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("opsknight:profile")
    status = 400 if form.errors else 200
    return render(request, "opsknight/profile.html", {"form": form}, status=status)


@never_cache
@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change one's own password; every other session ends, this one goes on."""
    user = signed_in(request)
    form = ChangePasswordForm(request.POST or None)
    if form.is_valid():
        try:
            accounts.change_password(
                user=user,
                current=form.cleaned_data["current_password"],
                new=form.cleaned_data["password"],
                ip=client_ip(request),
                now=timezone.now(),
            )
        except (InvalidInput, LockedOut) as error:
            add_errors(form, error)
        else:
            update_session_auth_hash(request, user)
            messages.success(request, "Your password was changed. Other sessions have ended.")
            return redirect("opsknight:password")
    status = 400 if form.errors else 200
    return render(request, "opsknight/password.html", {"form": form}, status=status)


@login_required
@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """End every session of one's own but this one."""
    user = signed_in(request)
    accounts.sign_out_everywhere(user=user, actor=user, ip=client_ip(request))
    update_session_auth_hash(request, user)
    messages.success(request, "Every other session has ended. You are still signed in here.")
    return redirect("opsknight:password")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """One's own API keys; a new one is shown in the answer that created it, and never again."""
    user = signed_in(request)
    form = ApiKeyForm(request.POST or None)
    token = ""
    if form.is_valid():
        try:
            _, token = create_api_key(user=user, **form.cleaned_data, ip=client_ip(request))
            form = ApiKeyForm()
        except InvalidInput as error:
            add_errors(form, error)
    context = {"form": form, "token": token, "keys": ApiKey.objects.filter(user=user)}
    status = 400 if form.errors else 200
    return render(request, "opsknight/keys.html", context, status=status)


@login_required
@require_POST
def revoke_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Make one of one's own keys useless."""
    user = signed_in(request)
    key = get_own_api_key(user, pk)
    revoke_api_key(key=key, actor=user, now=timezone.now(), ip=client_ip(request))
    messages.success(request, f"The key {key.name} was revoked.")
    return redirect("opsknight:keys")


def signed_in(request: HttpRequest) -> User:
    """The person of this request, typed; for views behind `login_required`."""
    if not isinstance(request.user, User):
        raise NotAuthenticated("Sign in first.")
    return request.user
