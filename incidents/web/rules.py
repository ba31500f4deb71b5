"""The page of an integration's rules: templates, routes, and a preview of what they do."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from incidents import selectors
from incidents.models import Integration
from incidents.services.rules import Reasons, check_rules, rules_of, save_rules, version_of
from incidents.web.answers import say, signed_in
from incidents.web.integration_page import shell_of
from incidents.web.rule_forms import Draft, Editor, draft_of, editor_of, read_posted, rearranged
from incidents.web.rule_preview import panel_of
from opsknight.errors import Conflict, InvalidInput
from opsknight.models import User
from opsknight.web import client_ip


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def integration_rules(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the rules, rearrange what is in the form (nothing is stored), or save all of it."""
    user = signed_in(request)
    shown = selectors.get_integration_for(user, pk)
    if request.method != "POST":
        texts = rules_of(shown)
        draft = draft_of(texts)
        return _page(request, shown, draft, editor_of(draft, version_of(texts)))
    draft = read_posted(request.POST)
    do = request.POST.get("do", "save")
    if do == "save":
        return _save(request, user, shown, draft)
    draft, at = rearranged(draft, do)
    editor = editor_of(draft, request.POST.get("version", ""))
    if at is not None:
        name = "name" if do == "add" else "condition"
        editor.routes[at].fields[name].widget.attrs["autofocus"] = True
    response = _page(request, shown, draft, editor, is_unsaved=True)
    return trigger_client_event(response, "rules-changed", after="settle")


@login_required
@require_POST
def rules_preview(request: HttpRequest, pk: int) -> HttpResponse:
    """What the rules in the form would make of the chosen delivery; nothing is stored."""
    user = signed_in(request)
    shown = selectors.get_integration_for(user, pk)
    panel = panel_of(user, shown, read_posted(request.POST).tried, request.POST)
    return render(request, "incidents/rules_preview.html", {"panel": panel, "is_answer": True})


def _save(request: HttpRequest, user: User, shown: Integration, draft: Draft) -> HttpResponse:
    version = request.POST.get("version", "")
    reasons = draft.unfinished
    try:
        if reasons:
            raise InvalidInput("", fields=check_rules(draft.tried) | reasons)
        save_rules(
            integration=shown,
            texts=draft.texts,
            shown=version,
            actor=user,
            ip=client_ip(request),
        )
    except InvalidInput as error:
        return _refused(request, shown, draft, version, error.fields)
    except Conflict as error:
        # Whoever presses again has read it, and wants what is in the form.
        text = f"{error.message} Or save once more: then yours replaces it."
        present = version_of(rules_of(shown))
        return _refused(request, shown, draft, present, {"rules": [text]})
    response = redirect("incidents:integration_rules", shown.pk)
    return say(request, response, "Saved. The rules hold within ten seconds.")


def _refused(
    request: HttpRequest, shown: Integration, draft: Draft, version: str, reasons: Reasons
) -> HttpResponse:
    editor = editor_of(draft, version, reasons)
    return _page(request, shown, draft, editor, is_unsaved=True, status=422)


def _page(
    request: HttpRequest,
    shown: Integration,
    draft: Draft,
    editor: Editor,
    *,
    is_unsaved: bool = False,
    status: int = 200,
) -> HttpResponse:
    context = shell_of(shown, "rules") | {
        "editor": editor,
        "panel": panel_of(signed_in(request), shown, draft.tried, request.POST),
        "is_unsaved": is_unsaved,
    }
    return render(request, "incidents/integration_rules.html", context, status=status)


rule_patterns: list[URLPattern] = [
    path("integrations/<int:pk>/rules/", integration_rules, name="integration_rules"),
    path("integrations/<int:pk>/rules/preview/", rules_preview, name="rules_preview"),
]
