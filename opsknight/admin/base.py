"""The admin of every app writes to the audit log, and says what a deletion takes along."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from django.contrib import messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import BaseInlineFormSet, Form, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from unfold.admin import ModelAdmin

from opsknight.admin.deletion import describe_deletion
from opsknight.departures import NeedsConfirmation
from opsknight.errors import OpsKnightError
from opsknight.services.audit import (
    MASK,
    SECRET_NAMES,
    Changes,
    changes_of,
    readable,
    record_change,
)
from opsknight.web import client_ip

# The field that the page "Are you sure?" adds to what was sent.
CONFIRMED = "_confirmed"

AnyForm: TypeAlias = "ModelForm[Any]"
AnyFormSet: TypeAlias = "BaseInlineFormSet[Any, Any, Any]"


class AuditedModelAdmin(ModelAdmin):  # type: ignore[misc]
    """An unfold ModelAdmin whose every change, inlines included, is written to the audit log.

    Services raise OpsKnightError from `save_model` or `delete_model`: it becomes a message, and
    nothing is changed. A subclass whose services write the log themselves sets `audits_itself`.
    """

    audits_itself = False
    list_filter_submit = True
    list_fullwidth = True
    warn_unsaved_form = True
    compressed_fields = False

    # Django calls these where it would write its own log, which nobody would read beside ours.

    def construct_change_message(
        self, request: HttpRequest, form: AnyForm, formsets: list[AnyFormSet], add: bool = False
    ) -> Changes:
        """What was entered, as the audit log keeps it."""
        changes = _added(form) if add else _edited(form)
        for formset in _with_nested(formsets or []):
            changes |= _changes_of_inlines(formset)
        return changes

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        self._record(request, obj, "created", message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Nothing entered, nothing written."""
        if message:
            self._record(request, obj, "updated", message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> None:
        """Written by `delete_model` and `delete_queryset` instead, in their transaction."""

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        self._record(request, obj, "deleted", _whole(obj))
        super().delete_model(request, obj)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete one by one, so that each leaves its entry and its service's rules hold."""
        for obj in queryset:
            self.delete_model(request, obj)

    def _record(self, request: HttpRequest, obj: Model, verb: str, changes: Changes) -> None:
        if self.audits_itself:
            return
        record_change(
            actor=request.user,  # type: ignore[arg-type]
            action=f"{action_prefix(type(obj))}.{verb}",
            entity=obj,
            changes=changes,
            ip=client_ip(request),
        )

    def get_deleted_objects(
        self, objs: Sequence[Model] | QuerySet[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Counts instead of Django's list, which would show incidents nobody here may see."""
        found = describe_deletion(list(objs), named_models(self.admin_site))
        return found.lines, found.counts, set(), found.protected

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The history of an object is its part of the audit log."""
        log = reverse("admin:opsknight_auditentry_changelist")
        kind = self.model._meta.label_lower
        return HttpResponseRedirect(f"{log}?entity_type__exact={kind}&entity_id__exact={object_id}")

    # A rule of a service that is broken is said where it happened.

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except OpsKnightError as error:
            return self._refuse(request, error)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().delete_view(request, *args, **kwargs)
        except OpsKnightError as error:
            return self._refuse(request, error)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changelist_view(request, *args, **kwargs)
        except OpsKnightError as error:
            return self._refuse(request, error)

    def _refuse(self, request: HttpRequest, error: OpsKnightError) -> HttpResponse:
        if request.method != "POST":
            raise error
        if isinstance(error, NeedsConfirmation):
            return self._ask(request, error)
        self.message_user(request, error.message, messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())

    def _ask(self, request: HttpRequest, question: NeedsConfirmation) -> HttpResponse:
        """What would be lost, and everything that was sent, to be sent once more with a yes."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Are you sure?",
            "opts": self.opts,
            "losses": question.fields["confirm"],
            "sent": [
                (name, value)
                for name, values in request.POST.lists()
                for value in values
                if name != "csrfmiddlewaretoken"
            ],
            "confirmed": CONFIRMED,
            "back": request.get_full_path(),
        }
        return render(request, "admin/opsknight/confirm.html", context)


class ReadOnlyAdmin(AuditedModelAdmin):
    """Rows that are looked at here and made elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def is_confirmed(request: HttpRequest) -> bool:
    """Whether somebody has seen what is lost and said yes."""
    return CONFIRMED in request.POST


def action_prefix(model: type[Model]) -> str:
    """How actions on a model begin: EscalationPolicy gives "escalation_policy"."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", model._meta.object_name or "").lower()


def named_models(site: Any) -> set[type[Model]]:
    """Models whose rows may be named to administrators: those the admin shows anyway."""
    inlines = {i.model for admin in site._registry.values() for i in admin.inlines}
    return set(site._registry) | inlines


def _columns(entity: Model) -> list[str]:
    return [f.name for f in entity._meta.concrete_fields if not f.primary_key]


def _whole(entity: Model) -> Changes:
    """Everything a row held, as removed."""
    return {name: [new, None] for name, (_, new) in _all_values(entity).items()}


def _all_values(entity: Model) -> Changes:
    return changes_of(None, entity, _columns(entity))


def _added(form: AnyForm) -> Changes:
    return {
        name: change for name, change in _all_values(form.instance).items() if name in form.fields
    }


def _edited(form: "Form | AnyForm") -> Changes:
    instance = form.instance if isinstance(form, ModelForm) else None
    columns = {f.name: f for f in instance._meta.get_fields()} if instance is not None else {}
    changes: Changes = {}
    for name in form.changed_data:
        field: Any = columns.get(name)
        old, new = form.initial.get(name), form.cleaned_data.get(name)
        if field is None:
            secret = any(part in SECRET_NAMES for part in re.split(r"[_\d]+", name))
            changes[name] = [MASK, MASK] if secret else [_plain(old), _plain(new)]
        elif field.many_to_many:
            changes[name] = [_plain(old), _plain(new)]
        else:
            changes[name] = [readable(field, old), readable(field, new)]
    return changes


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple, QuerySet)):
        return sorted(str(item) for item in value)
    return str(value) if isinstance(value, Model) else value


def _with_nested(formsets: list[AnyFormSet]) -> Iterable[AnyFormSet]:
    """The formsets and those inside their forms, as unfold nests them."""
    for formset in formsets:
        yield formset
        for form in formset.forms:
            yield from (nested.formset for nested in getattr(form, "nested_formsets", ()))


def _changes_of_inlines(formset: AnyFormSet) -> Changes:
    """Keys such as "team member Bob in Platform"; values are the row's fields, or None."""
    changes: Changes = {}
    if not hasattr(formset, "new_objects"):  # inside a row that was removed: never saved
        return changes
    for obj in formset.new_objects:
        values = {name: new for name, (_, new) in _all_values(obj).items()}
        changes[_name_of(obj)] = [None, values]
    for form in formset.initial_forms:
        if form.instance in [obj for obj, _ in formset.changed_objects]:
            edited = _edited(form)
            before = {name: old for name, (old, _) in edited.items()}
            changes[_name_of(form.instance)] = [before, {n: new for n, (_, new) in edited.items()}]
    for obj in formset.deleted_objects:
        values = {name: new for name, (_, new) in _all_values(obj).items()}
        changes[_name_of(obj)] = [values, None]
    return changes


def _name_of(obj: Model) -> str:
    return f"{obj._meta.verbose_name} {obj}"
