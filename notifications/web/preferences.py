"""One's own contact methods and rules."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from incidents.web.answers import say, signed_in
from notifications.selectors import contact_methods_of, get_contact_method_for, rules_of
from notifications.services import preferences
from notifications.web.forms import ContactMethodForm, RuleForm
from opsknight.errors import OpsKnightError
from opsknight.models import User
from opsknight.web import client_ip
from opsknight.web.forms import add_errors


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def contact_methods(request: HttpRequest) -> HttpResponse:
    """The page; POST adds a contact method, with its first rule if a delay is given."""
    user = signed_in(request)
    form = ContactMethodForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            _add_method(request, user, form.cleaned_data)
        except OpsKnightError as error:
            add_errors(form, error)
        else:
            return _back(request, "Added.")
    return _page(request, user, form, RuleForm(user))


@login_required
@require_POST
def add_rule(request: HttpRequest) -> HttpResponse:
    """Add a rule."""
    user = signed_in(request)
    form = RuleForm(user, request.POST)
    if form.is_valid():
        try:
            preferences.add_rule(
                user=user,
                contact_method_id=form.cleaned_data["contact_method"].pk,
                delay_minutes=form.cleaned_data["delay_minutes"],
                now=timezone.now(),
                ip=client_ip(request),
            )
        except OpsKnightError as error:
            add_errors(form, error)
        else:
            return _back(request, "Added.")
    return _page(request, user, ContactMethodForm(), form)


@login_required
@require_POST
def remove_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove a rule of one's own."""
    preferences.remove_rule(user=signed_in(request), pk=pk, ip=client_ip(request))
    return _back(request, "The rule was removed.")


@login_required
@require_POST
def remove_method(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove an address of one's own, with its rules."""
    preferences.remove_contact_method(user=signed_in(request), pk=pk, ip=client_ip(request))
    return _back(request, "The address was removed.")


@login_required
@require_POST
def enable_method(request: HttpRequest, pk: int) -> HttpResponse:
    """Use an address again."""
    preferences.enable_contact_method(user=signed_in(request), pk=pk, ip=client_ip(request))
    return _back(request, "The address is used again.")


@login_required
@require_POST
def disable_method(request: HttpRequest, pk: int) -> HttpResponse:
    """Do not use an address for now."""
    preferences.disable_contact_method(user=signed_in(request), pk=pk, ip=client_ip(request))
    return _back(request, "The address is not used until you switch it on.")


@never_cache
@login_required
@require_safe
def method_secret(request: HttpRequest, pk: int) -> HttpResponse:
    """The secret that signs a webhook of one's own, and how to check it."""
    method = get_contact_method_for(signed_in(request), pk)
    return render(request, "notifications/method_secret.html", {"method": method})


def _add_method(request: HttpRequest, user: User, data: dict[str, Any]) -> None:
    method = preferences.add_contact_method(
        user=user,
        channel=data["channel"],
        address=data["address"],
        label=data["label"],
        now=timezone.now(),
        ip=client_ip(request),
    )
    if data["delay_minutes"] is not None:
        preferences.add_rule(
            user=user,
            contact_method_id=method.pk,
            delay_minutes=data["delay_minutes"],
            now=timezone.now(),
            ip=client_ip(request),
        )


def _back(request: HttpRequest, text: str) -> HttpResponse:
    return say(request, redirect("notifications:contact_methods"), text)


def _page(
    request: HttpRequest, user: User, method_form: ContactMethodForm, rule_form: RuleForm
) -> HttpResponse:
    rules = list(rules_of(user))
    usable = [rule for rule in rules if rule.contact_method.enabled]
    context = {
        "methods": list(contact_methods_of(user)),
        "rules": rules,
        "has_usable_rules": bool(usable),
        "first_delay": usable[0].delay_minutes if usable else 0,
        "method_form": method_form,
        "rule_form": rule_form,
    }
    status = 422 if method_form.errors or rule_form.errors else 200
    return render(request, "notifications/contact_methods.html", context, status=status)
