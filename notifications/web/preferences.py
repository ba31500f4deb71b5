"""One's own contact methods and rules."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import push_url

from incidents.web.answers import is_htmx, say, signed_in
from notifications.models import ContactMethod
from notifications.selectors import get_contact_method_for
from notifications.services import method_tests, preferences, verification
from notifications.web.my_paging import page_of
from notifications.web.preference_forms import (
    USES,
    CodeForm,
    ContactMethodForm,
    DelayForm,
    RuleForm,
)
from opsknight.errors import Conflict, InvalidInput, NotFound, OpsKnightError
from opsknight.models import User
from opsknight.web import client_ip
from opsknight.web.forms import add_errors


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def contact_methods(request: HttpRequest) -> HttpResponse:
    """The page; POST adds a contact method, with its first rules if a delay is given."""
    user = signed_in(request)
    form = ContactMethodForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            method = _add_method(request, user, form.cleaned_data)
        except OpsKnightError as error:
            add_errors(form, error)
        else:
            if method.is_usable:
                return back(request, "Added.", part="ways")
            text = "Added. Enter the code that was sent there."
            return back(request, text, part="ways", added=method.pk)
    return show_page(request, user, method_form=form)


@login_required
@require_POST
def add_rule(request: HttpRequest) -> HttpResponse:
    """Add a rule to one of the lists."""
    user = signed_in(request)
    form = RuleForm(user, request.POST.get("urgency", ""), request.POST)
    if form.is_valid():
        try:
            preferences.add_rule(
                user=user,
                contact_method_id=form.cleaned_data["contact_method"].pk,
                urgency=form.cleaned_data["urgency"],
                delay_minutes=form.cleaned_data["delay_minutes"],
                now=timezone.now(),
                ip=client_ip(request),
            )
        except OpsKnightError as error:
            add_errors(form, error)
        else:
            return back(request, "Added.", part="rules")
    return show_page(request, user, rule_form=form)


@login_required
@require_POST
def change_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a rule of one's own another delay."""
    user, form = signed_in(request), DelayForm(request.POST)
    if not form.is_valid():
        return back(request, f"Use 0 to {preferences.MAX_DELAY_MINUTES} minutes.", level="warning")
    minutes = form.cleaned_data["delay_minutes"]
    return _tried(
        request,
        lambda: preferences.change_rule(
            user=user,
            pk=pk,
            delay_minutes=minutes,
            now=timezone.now(),
            ip=client_ip(request),
        ),
        "Saved.",
    )


@login_required
@require_POST
def remove_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove a rule of one's own."""
    preferences.remove_rule(user=signed_in(request), pk=pk, ip=client_ip(request))
    return back(request, "The rule was removed.")


@login_required
@require_POST
def remove_method(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove an address of one's own, with its rules."""
    preferences.remove_contact_method(user=signed_in(request), pk=pk, ip=client_ip(request))
    return back(request, "The address was removed.")


@login_required
@require_POST
def enable_method(request: HttpRequest, pk: int) -> HttpResponse:
    """Use an address again."""
    preferences.enable_contact_method(user=signed_in(request), pk=pk, ip=client_ip(request))
    return back(request, "The address is used again.")


@login_required
@require_POST
def disable_method(request: HttpRequest, pk: int) -> HttpResponse:
    """Do not use an address for now."""
    preferences.disable_contact_method(user=signed_in(request), pk=pk, ip=client_ip(request))
    return back(request, "The address is not used until you switch it on.")


@login_required
@require_POST
def status_updates(request: HttpRequest, pk: int) -> HttpResponse:
    """Tell an address, or do not tell it, what became of the incidents that it was paged for."""
    wants = request.POST.get("wants") == "1"
    preferences.change_contact_method(
        user=signed_in(request),
        pk=pk,
        status_updates=wants,
        now=timezone.now(),
        ip=client_ip(request),
    )
    return back(request, "It gets news." if wants else "It gets no news any more.")


@login_required
@require_POST
def send_code(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a fresh code to an address of one's own."""
    user = signed_in(request)
    return _tried(
        request,
        lambda: verification.send_code(user=user, pk=pk, now=timezone.now(), ip=client_ip(request)),
        "A new code is on its way.",
    )


@login_required
@require_POST
def verify_method(request: HttpRequest, pk: int) -> HttpResponse:
    """Enter the code that was sent to an address of one's own."""
    user, form = signed_in(request), CodeForm(request.POST)
    code = form.cleaned_data["code"] if form.is_valid() else ""
    try:
        verification.enter_code(
            user=user, pk=pk, code=code, now=timezone.now(), ip=client_ip(request)
        )
    except InvalidInput as error:
        return show_page(request, user, status=422, wrong_code={"pk": pk, "text": error.message})
    except Conflict as error:  # verified meanwhile, in another window
        return back(request, error.message, level="info")
    return back(request, "Verified. The address is in use.")


@login_required
@require_POST
def test_method(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test to an address of one's own."""
    user = signed_in(request)
    return _tried(
        request,
        lambda: method_tests.send_method_test(
            user=user, pk=pk, now=timezone.now(), ip=client_ip(request)
        ),
        "A test is on its way.",
    )


@never_cache
@login_required
@require_safe
def method_secret(request: HttpRequest, pk: int) -> HttpResponse:
    """The secret that signs a webhook of one's own, and how to check it."""
    method = get_contact_method_for(signed_in(request), pk)
    if method.channel != "webhook":
        raise NotFound("Only webhooks have a secret.")
    return render(request, "notifications/method_secret.html", {"method": method})


def _add_method(request: HttpRequest, user: User, data: dict[str, Any]) -> ContactMethod:
    """A new address with its first rules."""
    now, ip = timezone.now(), client_ip(request)
    method = preferences.add_contact_method(
        user=user,
        channel=data["channel"],
        address=data["address"],
        label=data["label"],
        now=now,
        ip=ip,
    )
    for urgency in USES[data["use"]]:
        preferences.add_rule(
            user=user,
            contact_method_id=method.pk,
            urgency=urgency,
            delay_minutes=data["delay_minutes"] or 0,
            now=now,
            ip=ip,
        )
    return method


def _tried(request: HttpRequest, action: Callable[[], object], done: str) -> HttpResponse:
    """Do it, and say that it is done or why not; what is not one's own stays 404."""
    try:
        action()
    except NotFound:
        raise
    except OpsKnightError as error:
        return back(request, error.message, level="warning")
    return back(request, done)


def back(
    request: HttpRequest, text: str, level: str = "success", part: str = "", **parts: Any
) -> HttpResponse:
    """To the page, with a message; of htmx's forms the page is the answer.

    Browsers stay at the part of the page that the form's address names, unless `part` is another.
    """
    if is_htmx(request):
        user = User.objects.get(pk=signed_in(request).pk)  # without what was changed just now
        return say(request, show_page(request, user, **parts), text, level=level)
    url = reverse("notifications:contact_methods")
    return say(request, redirect(f"{url}#{part}" if part else url), text, level=level)


def show_page(request: HttpRequest, user: User, *, status: int = 200, **parts: Any) -> HttpResponse:
    """The page; 422 when one of the forms in `parts` has errors."""
    context = page_of(user, timezone.now(), **parts)
    if any(isinstance(part, Form) and part.errors for part in parts.values()):
        status = 422
    page = render(request, "notifications/contact_methods.html", context, status=status)
    return push_url(page, False) if is_htmx(request) else page


SETTINGS = "settings/notifications"
RULE = f"{SETTINGS}/rules/<int:pk>"
METHOD = f"{SETTINGS}/<int:pk>"

preference_patterns: list[URLPattern] = [
    path(f"{SETTINGS}/", contact_methods, name="contact_methods"),
    path(f"{SETTINGS}/rules/", add_rule, name="add_rule"),
    path(f"{RULE}/change/", change_rule, name="change_rule"),
    path(f"{RULE}/remove/", remove_rule, name="remove_rule"),
    path(f"{METHOD}/remove/", remove_method, name="remove_method"),
    path(f"{METHOD}/enable/", enable_method, name="enable_method"),
    path(f"{METHOD}/disable/", disable_method, name="disable_method"),
    path(f"{METHOD}/secret/", method_secret, name="method_secret"),
    path(f"{METHOD}/code/", send_code, name="send_code"),
    path(f"{METHOD}/verify/", verify_method, name="verify_method"),
    path(f"{METHOD}/test/", test_method, name="test_method"),
    path(f"{METHOD}/news/", status_updates, name="status_updates"),
]
