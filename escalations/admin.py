"""Django's admin for schedules and policies: one page each, everything in it."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import StackedInline, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from escalations.admin_forms import AnyForm, number_anew
from escalations.feed_admin import CalendarFeedAdmin, OnCallAnnouncementAdmin
from escalations.models import EscalationPolicy, PolicyStep, StepTarget
from escalations.policy_forms import PolicyForm, StepForm, TargetForm, TargetFormSet
from escalations.schedule_admin import (
    OnCallSettingsAdmin,
    OverrideAdmin,
    ScheduleAdmin,
    SwapRequestAdmin,
    TemporaryScheduleAdmin,
)
from escalations.selectors import uses_of_policy
from escalations.services import policies
from opsknight.admin import AuditedModelAdmin
from opsknight.services.versions import count_version
from opsknight.web import client_ip

__all__ = [
    "CalendarFeedAdmin",
    "EscalationPolicyAdmin",
    "OnCallAnnouncementAdmin",
    "OnCallSettingsAdmin",
    "OverrideAdmin",
    "ScheduleAdmin",
    "SwapRequestAdmin",
    "TemporaryScheduleAdmin",
]


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
        number_anew(PolicyStep.objects.filter(policy=form.instance))
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
