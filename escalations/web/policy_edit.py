"""The editor of a policy: its settings, its steps, and what they would do before saving."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from escalations import selectors
from escalations.dry_run import dry_run, dry_run_of_draft
from escalations.models import EscalationPolicy, PolicyStep
from escalations.services.policies import create_policy, delete_policy, update_policy
from escalations.web.dry_run import Rehearsal, TryForm, rehearsal_of
from escalations.web.policies import UNREADABLE_TIME
from escalations.web.policy_forms import PolicyForm, initial_of, initial_of_new
from escalations.web.step_forms import (
    Reasons,
    StepDraft,
    drafts_of,
    inputs_from,
    new_draft,
    read_drafts,
    rearranged,
    reasons_of_steps,
    with_typed_targets,
)
from escalations.web.target_names import TargetName, names_of, offered_targets
from incidents.filters import read_id
from incidents.web.answers import say, signed_in
from opsknight.errors import Conflict, InvalidInput, NotAllowed, NotFound
from opsknight.models import User
from opsknight.services.versions import SavedMeanwhile
from opsknight.web import client_ip

GONE = (
    "Somebody deleted this policy meanwhile. What you entered is still here: save it, and it "
    "becomes a new policy."
)
# The control in which a field of a step is mended, where it has another name.
CONTROLS = {"targets": "add", "window": "starts", "condition": "alerts"}


@dataclass(frozen=True)
class StepView:
    """A step of the form with the names of its targets and what is wrong with it."""

    draft: StepDraft
    targets: list[TargetName]
    wrong: dict[str, list[str]]  # by field: delay, urgency, targets, window, condition


@dataclass
class Editor:
    """Everything the page of the form shows."""

    policy: EscalationPolicy | None  # None: a new one
    form: PolicyForm
    drafts: list[StepDraft]
    offered: list[TargetName]
    version: int
    reasons: Reasons = field(default_factory=dict)  # of the steps
    is_unsaved: bool = False

    @property
    def steps(self) -> list[StepView]:
        """The steps with names and reasons."""
        chosen = [target for draft in self.drafts for target in draft.targets]
        names = names_of(chosen, self.offered)
        return [
            StepView(
                draft,
                [names[target] for target in draft.targets],
                {
                    name.partition("-")[2]: texts
                    for name, texts in self.reasons.items()
                    if name.partition("-")[0] == str(draft.key)
                },
            )
            for draft in self.drafts
        ]

    @property
    def general(self) -> list[str]:
        """What is wrong with the steps as a whole."""
        return self.reasons.get("steps", [])

    @property
    def urgencies(self) -> list[tuple[str, str]]:
        """Which incidents a step can be for."""
        return list(PolicyStep.Urgency.choices)

    @property
    def problems(self) -> list[tuple[str, str, str]]:
        """Everything that keeps it from being saved: name, id of the field, what to do."""
        places = {str(draft.key): place for place, draft in enumerate(self.drafts, start=1)}
        found = []
        for name, errors in self.form.errors.items():
            if name in self.form.fields:
                bound = self.form[name]
                found.append((str(bound.label), bound.auto_id, str(errors[0])))
            else:
                found += [("", "", str(error)) for error in errors]
        for name, texts in self.reasons.items():
            key, _, field_name = name.partition("-")
            label = f"Step {places[key]}" if key in places else ""
            target = f"step-{key}-{CONTROLS.get(field_name, field_name)}"
            found += [(label, target, text) for text in texts]
        return found


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def policy_editor(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Show a policy or an empty form, rearrange its steps (nothing is stored), or save it."""
    user = signed_in(request)
    stored, is_gone = _stored(request, user, pk)
    editor = _editor(request, user, stored)
    if request.method != "POST":
        return _page(request, editor)
    do = request.POST.get("do", "stay")
    if is_gone:
        editor.form.add_error(None, GONE)
        return _page(request, editor, status=422)
    if do == "save":
        return _save(request, user, editor)
    editor.drafts = rearranged(editor.drafts, do)
    # Nobody has asked for this to be saved, so nothing else is wrong with it yet.
    editor.form.errors.clear()
    return trigger_client_event(_page(request, editor), "policy-changed", after="settle")


def _stored(
    request: HttpRequest, user: User, pk: int | None
) -> tuple[EscalationPolicy | None, bool]:
    """The policy to edit, and whether it was deleted while its form was open."""
    if not selectors.may_change_policies(user):
        raise NotAllowed("Only administrators may change escalation policies.")
    if pk is None:
        return None, False
    try:
        return selectors.get_policy_to_change_for(user, pk), False
    except NotFound:
        if request.method != "POST":
            raise
        return None, True


def _editor(request: HttpRequest, user: User, stored: EscalationPolicy | None) -> Editor:
    """The form as it was posted, or as it is stored."""
    offered = offered_targets()
    version = stored.version if stored else 0
    if request.method == "POST":
        drafts, reasons = with_typed_targets(read_drafts(request.POST), offered)
        form = PolicyForm(stored=stored, data=request.POST)
        version = read_id(request.POST.get("version", "")) or version
        return Editor(stored, form, drafts, offered, version, reasons, is_unsaved=True)
    initial = initial_of(stored) if stored else initial_of_new(user.time_zone)
    drafts = drafts_of(selectors.steps_of([stored.pk])) if stored else [new_draft([])]
    return Editor(stored, PolicyForm(stored=stored, initial=initial), drafts, offered, version)


def _save(request: HttpRequest, user: User, editor: Editor) -> HttpResponse:
    steps, unreadable = inputs_from(editor.drafts)
    editor.reasons |= unreadable
    if not editor.form.is_valid() or editor.reasons:
        return _page(request, editor, status=422)
    values, ip = editor.form.values(), client_ip(request)
    try:
        if editor.policy is None:
            saved = create_policy(values=values, steps=steps, actor=user, ip=ip)
        else:
            saved = update_policy(
                policy=copy(editor.policy),  # what is refused must not stand on the page
                values=values,
                steps=steps,
                actor=user,
                ip=ip,
                version=editor.version,
            )
    except InvalidInput as error:
        show_reasons(editor, error.fields)
    except SavedMeanwhile as error:
        # Whoever presses again has read it, and wants what is in the form.
        editor.form.add_error(None, f"{error.message} Or save once more: then yours replaces it.")
        if editor.policy is not None:
            editor.version = selectors.get_policy_for(user, editor.policy.pk).version
    else:
        return say(request, redirect("escalations:policy", saved.pk), f"Saved {saved.name}.")
    return _page(request, editor, status=422)


def show_reasons(editor: Editor, fields: Mapping[str, list[str]]) -> None:
    """Put what the service refused at its field."""
    editor.reasons |= reasons_of_steps(editor.drafts, dict(fields))
    for name, texts in fields.items():
        if name.partition(".")[0] == "steps":
            continue
        own = "fallback" if name in ("fallback_user", "fallback_team") else name
        editor.form.add_error(own if own in editor.form.fields else None, texts)


def _page(request: HttpRequest, editor: Editor, *, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {
        "policy": editor.policy,
        "editor": editor,
        "form": editor.form,
        "rehearsal": _rehearsal(request, editor),
    }
    return render(request, "escalations/policies/edit.html", context, status=status)


@login_required
@require_POST
def policy_preview(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """What the policy in the form would do; nothing is stored."""
    user = signed_in(request)
    stored, _ = _stored(request, user, pk)
    context = {"rehearsal": _rehearsal(request, _editor(request, user, stored))}
    return render(request, "escalations/policies/rehearsal.html", context)


def _rehearsal(request: HttpRequest, editor: Editor) -> Rehearsal:
    """The draft tried out, or what keeps it from that; the editor's own errors stay as they are."""
    form = TryForm(data=request.POST, prefix="try")
    asked = form.asked(signed_in(request).time_zone, timezone.now())
    if asked is None:
        return Rehearsal(form, timezone.now(), problems=[UNREADABLE_TIME])
    if editor.policy is None and not any(draft.targets for draft in editor.drafts):
        return Rehearsal(form, asked[0], hint="Say whom the first step pages, and it shows here.")
    return _tried(request, editor, form, *asked)


def _tried(
    request: HttpRequest, editor: Editor, form: TryForm, at: datetime, urgency: str
) -> Rehearsal:
    if request.method != "POST" and editor.policy is not None:
        return rehearsal_of(form, at, dry_run(editor.policy, at, urgency))
    bound = PolicyForm(stored=editor.policy, data=request.POST)
    draft = Editor(editor.policy, bound, editor.drafts, editor.offered, editor.version)
    steps, draft.reasons = inputs_from(editor.drafts)
    if not bound.is_valid() or draft.reasons:
        return Rehearsal(form, at, problems=_in_words(draft))
    try:
        moments = dry_run_of_draft(
            policy=copy(editor.policy),
            values=bound.values(),
            steps=steps,
            actor=signed_in(request),
            at=at,
            urgency=urgency,
        )
    except InvalidInput as error:
        show_reasons(draft, error.fields)
        return Rehearsal(form, at, problems=_in_words(draft))
    return rehearsal_of(form, at, moments)


def _in_words(editor: Editor) -> list[str]:
    return [f"{label}: {text}" if label else text for label, _, text in editor.problems]


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def policy_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a policy that nothing uses; GET asks first."""
    user = signed_in(request)
    shown = selectors.get_policy_to_change_for(user, pk)
    notice = ""
    if request.method == "POST":
        try:
            delete_policy(
                policy=shown,
                actor=user,
                ip=client_ip(request),
                version=read_id(request.POST.get("version", "")),
            )
        except Conflict as error:
            notice = error.message
            shown = selectors.get_policy_for(user, pk)
        else:
            return say(request, redirect("escalations:policies"), f"Deleted {shown.name}.")
    context = {"policy": shown, "uses": selectors.uses_of_policy(shown), "notice": notice}
    template = "escalations/policies/delete.html"
    return render(request, template, context, status=409 if notice else 200)


edit_policy_patterns: list[URLPattern] = [
    path("policies/new/", policy_editor, name="policy_new"),
    path("policies/new/preview/", policy_preview, name="policy_new_preview"),
    path("policies/<int:pk>/edit/", policy_editor, name="policy_edit"),
    path("policies/<int:pk>/edit/preview/", policy_preview, name="policy_preview"),
    path("policies/<int:pk>/delete/", policy_delete, name="policy_delete"),
]
