"""Django's admin for schedules and policies: one page each, everything in it."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import StackedInline, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from escalations.admin_forms import (
    AnyForm,
    LayerForm,
    MemberForm,
)
from escalations.models import (
    EscalationPolicy,
    LayerMember,
    PolicyStep,
    Schedule,
    ScheduleLayer,
    StepTarget,
)
from escalations.policy_forms import PolicyForm, StepForm, TargetForm, TargetFormSet
from escalations.selectors import names_of_policies_paging, uses_of_policy
from escalations.services import policies, schedules
from escalations.services.rotations import keep_turns, turn_orders
from opsknight.admin import AuditedModelAdmin
from opsknight.services.versions import count_version
from opsknight.web import client_ip


class StepTargetInline(TabularInline):  # type: ignore[misc]
    """Whom a step pages."""

    model = StepTarget
    form = TargetForm
    formset = TargetFormSet
    autocomplete_fields = ("user", "team", "schedule", "destination")
    extra = 0
    verbose_name_plural = "targets: one user, team, schedule or destination per line"


class PolicyStepInline(StackedInline):  # type: ignore[misc]
    """The steps of a policy, with their targets."""

    model = PolicyStep
    form = StepForm
    inlines = (StepTargetInline,)
    ordering = ("position", "id")
    extra = 0


@admin.register(EscalationPolicy)
class EscalationPolicyAdmin(AuditedModelAdmin):
    """Who is paged, in which order."""

    list_display = ("name", "steps_shown", "services_shown", "repeat_times", "repeat_after_minutes")
    search_fields = ("name", "description", "services__name")
    list_filter = (
        ("steps__targets__schedule", AutocompleteSelectFilter),
        ("steps__targets__team", AutocompleteSelectFilter),
        ("steps__targets__user", AutocompleteSelectFilter),
        ("steps__targets__destination", AutocompleteSelectFilter),
    )
    form = PolicyForm
    autocomplete_fields = ("fallback_user", "fallback_team")
    inlines = (PolicyStepInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[EscalationPolicy]:
        """Policies with their counts."""
        counts = {"step_count": Count("steps", distinct=True)}
        counts["service_count"] = Count("services", distinct=True)
        return super().get_queryset(request).annotate(**counts)  # type: ignore[no-any-return]

    @admin.display(description="steps", ordering="step_count")
    def steps_shown(self, policy: Any) -> int:
        """How many steps it has."""
        return int(policy.step_count)

    @admin.display(description="services", ordering="service_count")
    def services_shown(self, policy: Any) -> int:
        """How many services use it."""
        return int(policy.service_count)

    @transaction.atomic
    def save_related(
        self, request: HttpRequest, form: AnyForm, formsets: list[Any], change: bool
    ) -> None:
        """Number the steps anew, in their order; count the version."""
        super().save_related(request, form, formsets, change)
        _number(PolicyStep.objects.filter(policy=form.instance))
        count_version(entity=form.instance, actor=request.user, now=timezone.now())  # type: ignore[arg-type]

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete it, unless it is used."""
        policies.delete_policy(policy=obj, actor=request.user, ip=client_ip(request))  # type: ignore[arg-type]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name the services, routes and open incidents that forbid it."""
        lines, counts, permissions, protected = super().get_deleted_objects(objs, request)
        uses = [use for policy in objs for use in uses_of_policy(policy)]
        protected = [f"{use[0].upper()}{use[1:]}: give it another policy first" for use in uses]
        return lines, counts, permissions, protected


class LayerMemberInline(TabularInline):  # type: ignore[misc]
    """Who takes turns in a layer."""

    model = LayerMember
    form = MemberForm
    autocomplete_fields = ("user",)
    ordering = ("turn", "id")
    extra = 0
    verbose_name = "place"
    verbose_name_plural = "places: who takes turns, in this order"


class ScheduleLayerInline(StackedInline):  # type: ignore[misc]
    """The layers of a schedule, with their people."""

    model = ScheduleLayer
    form = LayerForm
    inlines = (LayerMemberInline,)
    ordering = ("position", "id")
    extra = 0


@admin.register(Schedule)
class ScheduleAdmin(AuditedModelAdmin):
    """Who is on call when."""

    list_display = ("name", "team", "time_zone", "layers_shown")
    search_fields = ("name", "description", "layers__members__user__name")
    list_filter = (
        ("team", AutocompleteSelectFilter),
        ("layers__members__user", AutocompleteSelectFilter),
        "time_zone",
    )
    list_select_related = ("team",)
    autocomplete_fields = ("team",)
    inlines = (ScheduleLayerInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        """Schedules with the number of their layers."""
        schedules = super().get_queryset(request)
        return schedules.annotate(layer_count=Count("layers", distinct=True))  # type: ignore[no-any-return]

    @admin.display(description="layers", ordering="layer_count")
    def layers_shown(self, schedule: Any) -> int:
        """How many layers it has."""
        return int(schedule.layer_count)

    def save_model(self, request: HttpRequest, obj: Schedule, form: AnyForm, change: bool) -> None:
        """Remember who is on call before anything changes."""
        if change:
            old = Schedule.objects.select_for_update().get(pk=obj.pk)
            form.turns_before = turn_orders(schedule=old, now=timezone.now())  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: AnyForm, formsets: list[Any], change: bool
    ) -> None:
        """Number layers and places anew; whoever was on call still is."""
        super().save_related(request, form, formsets, change)
        schedule = form.instance
        _number(ScheduleLayer.objects.filter(schedule=schedule))
        before = getattr(form, "turns_before", {})
        for layer in keep_turns(schedule=schedule, before=before, now=timezone.now()):
            self.message_user(
                request,
                f"{layer.name}: the list was turned round so that whoever is on call still is. "
                "To hand over at once, use “Put on call now” on the schedule's page.",
            )

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete it, unless policies page it."""
        schedules.delete_schedule(schedule=obj, actor=request.user, ip=client_ip(request))  # type: ignore[arg-type]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name the policies that forbid it."""
        lines, counts, permissions, protected = super().get_deleted_objects(objs, request)
        if protected:
            names = [name for schedule in objs for name in names_of_policies_paging(schedule)]
            protected = [
                f"The escalation policy {name}: remove the schedule from its steps first"
                for name in dict.fromkeys(names)
            ]
        return lines, counts, permissions, protected


def _number(rows: QuerySet[Any]) -> None:
    """Give positions 1, 2, 3 … in the order of those entered."""
    ordered: list[Model] = list(rows.order_by("position", "id"))
    for position, row in enumerate(ordered, start=1):
        row.position = position  # type: ignore[attr-defined]
    rows.model._default_manager.bulk_update(ordered, ["position"])
