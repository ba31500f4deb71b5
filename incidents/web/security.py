"""The page of an integration's signatures: its secret, and whether a signature is required."""

from collections.abc import Callable
from datetime import timedelta

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from incidents import selectors
from incidents.intake.schemes import SCHEMES
from incidents.models import Integration
from incidents.services import signing
from incidents.web.answers import say, signed_in
from incidents.web.integration_page import shell_of
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User
from opsknight.web import client_ip
from opsknight.web.forms import add_errors

GENERATE_ID = "generate_%s"  # two forms of the page have a field of one name
KEEP_HOURS = ((24, "a day"), (1, "an hour"), (168, "a week"), (0, "not at all: it leaked"))


class GenerateForm(forms.Form):
    """How long the present secret stays valid beside the new one."""

    keep = forms.TypedChoiceField(
        label="Keep the old one for",
        choices=KEEP_HOURS,
        coerce=int,
        help_text="Until then both are valid, so that you can change the sender at leisure.",
    )

    def kept(self) -> timedelta:
        """The chosen time."""
        return timedelta(hours=self.cleaned_data["keep"])


class SecretForm(GenerateForm):
    """A secret that was made elsewhere."""

    secret = forms.CharField(
        max_length=signing.MAX_LENGTH,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="It is stored encrypted.",
    )
    field_order = ("secret", "keep")


class TopicForm(forms.Form):
    """The SNS topic that may send."""

    secret = forms.CharField(
        label="Topic ARN",
        max_length=signing.MAX_LENGTH,
        help_text="Such as arn:aws:sns:eu-central-1:123456789012:alarms. Any AWS account can sign "
        "a message; with it, only this topic's are taken.",
    )


@login_required
@require_safe
def integration_security(request: HttpRequest, pk: int) -> HttpResponse:
    """How deliveries prove where they come from."""
    return _page(request, selectors.get_integration_for(signed_in(request), pk))


@login_required
@require_POST
def secret_store(request: HttpRequest, pk: int) -> HttpResponse:
    """Store a secret that the vendor made, or the topic that may send."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    form = _secret_form(integration, request.POST)
    if form.is_valid():
        keep = form.kept() if isinstance(form, SecretForm) else timedelta()
        try:
            signing.store_signing_secret(
                integration=integration,
                secret=form.cleaned_data["secret"],
                keep=keep,
                actor=user,
                ip=client_ip(request),
            )
        except (InvalidInput, Conflict) as error:
            add_errors(form, error)
        else:
            return _back(request, integration, "Stored. It holds within ten seconds.")
    return _page(request, integration, secret_form=form, status=422)


@login_required
@require_POST
def secret_generate(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a new secret; the old one stays valid for the chosen time."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    form = GenerateForm(request.POST, auto_id=GENERATE_ID)
    if form.is_valid():
        try:
            signing.generate_signing_secret(
                integration=integration, keep=form.kept(), actor=user, ip=client_ip(request)
            )
        except Conflict as error:
            add_errors(form, error)
        else:
            text = "There is a new secret. Enter it at the sender."
            return _back(request, integration, text, level="warning")
    return _page(request, integration, generate_form=form, status=422)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def secret_clear(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget the secrets; GET asks first."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    if request.method != "POST":
        text = "What is signed with it can no longer be told from what is forged."
        return _ask(request, integration, "Forget the secret", text)
    return _change(request, integration, user, signing.clear_signing_secret, "It is forgotten.")


@login_required
@require_POST
def secret_end_previous(request: HttpRequest, pk: int) -> HttpResponse:
    """End a rotation before its time."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    text = "Only the new secret is valid from now on."
    return _change(request, integration, user, signing.end_previous_secret, text)


@login_required
@require_POST
def signature_require(request: HttpRequest, pk: int) -> HttpResponse:
    """Refuse what is not signed."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    text = "Deliveries without a valid signature are refused from now on."
    return _change(request, integration, user, signing.require_signature, text)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def signature_waive(request: HttpRequest, pk: int) -> HttpResponse:
    """Take what is not signed; GET asks first."""
    user = signed_in(request)
    integration = selectors.get_integration_for(user, pk)
    if request.method != "POST":
        text = "Whoever knows the key in the address can then open and close incidents."
        return _ask(request, integration, "Waive the check", text)
    text = "Signatures are not required any more. The audit log says that you waived them."
    return _change(request, integration, user, signing.waive_signature, text, level="warning")


def _change(
    request: HttpRequest,
    integration: Integration,
    user: User,
    change: Callable[..., Integration],
    text: str,
    level: str = "success",
) -> HttpResponse:
    try:
        change(integration=integration, actor=user, ip=client_ip(request))
    except Conflict as error:
        return _back(request, integration, error.message, level="warning")
    return _back(request, integration, text, level=level)


def _back(
    request: HttpRequest, integration: Integration, text: str, level: str = "success"
) -> HttpResponse:
    return say(
        request, redirect("incidents:integration_security", integration.pk), text, level=level
    )


def _secret_form(integration: Integration, data: object = None) -> SecretForm | TopicForm:
    form = TopicForm if integration.kind == Integration.Kind.CLOUDWATCH else SecretForm
    return form(data)  # type: ignore[arg-type]


def _page(
    request: HttpRequest,
    integration: Integration,
    *,
    secret_form: forms.Form | None = None,
    generate_form: forms.Form | None = None,
    status: int = 200,
) -> HttpResponse:
    context = shell_of(integration, "security") | {
        "scheme": SCHEMES.get(integration.kind),
        "previous_until": signing.previous_secret_ends_at(integration, timezone.now()),
        "secret_form": secret_form or _secret_form(integration),
        "generate_form": generate_form or GenerateForm(auto_id=GENERATE_ID),
    }
    return render(request, "incidents/integration_security.html", context, status=status)


def _ask(request: HttpRequest, integration: Integration, verb: str, text: str) -> HttpResponse:
    context = {"integration": integration, "verb": verb, "text": text, "action": request.path}
    return render(request, "incidents/confirm.html", context)


_ROOT = "integrations/<int:pk>/security/"
security_patterns: list[URLPattern] = [
    path(_ROOT, integration_security, name="integration_security"),
    path(f"{_ROOT}secret/", secret_store, name="secret_store"),
    path(f"{_ROOT}secret/generate/", secret_generate, name="secret_generate"),
    path(f"{_ROOT}secret/clear/", secret_clear, name="secret_clear"),
    path(f"{_ROOT}secret/end-previous/", secret_end_previous, name="secret_end_previous"),
    path(f"{_ROOT}require/", signature_require, name="signature_require"),
    path(f"{_ROOT}waive/", signature_waive, name="signature_waive"),
]
