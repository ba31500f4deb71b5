"""Django's admin for schedules, what changes them for a while, and the settings of on call."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import StackedInline, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from escalations.admin_forms import AnyForm, number_anew
from escalations.models import (
    LayerMember,
    LayerRestriction,
    OnCallSettings,
    Override,
    Schedule,
    ScheduleLayer,
    SwapRequest,
    TemporarySchedule,
    TemporaryShift,
)
from escalations.schedule_forms import (
    LayerForm,
    MemberForm,
    OverrideForm,
    RestrictionForm,
    ScheduleForm,
    TemporaryForm,
)
from escalations.selectors import names_of_policies_paging, rotas_of
from escalations.services import overrides, schedules, temporaries
from escalations.services.departures import ask_about_gaps
from escalations.services.history import lock_schedules, record_versions
from escalations.services.rotations import keep_turns, turn_orders
from opsknight.admin import AuditedModelAdmin, ReadOnlyAdmin
from opsknight.admin.base import is_confirmed
from opsknight.services.versions import count_version
from opsknight.web import client_ip


class LayerMemberInline(TabularInline):  # type: ignore[misc]
    """Who takes turns in a layer."""

    model = LayerMember
    form = MemberForm
    autocomplete_fields = ("user",)
    ordering = ("turn", "id")
    extra = 0
    verbose_name = "place"
    verbose_name_plural = "places: who takes turns, those of one number together"


class LayerRestrictionInline(TabularInline):  # type: ignore[misc]
    """When a layer is active."""

    model = LayerRestriction
    form = RestrictionForm
    extra = 0
    verbose_name_plural = "active times: without any, always"


class ScheduleLayerInline(StackedInline):  # type: ignore[misc]
    """The layers of a schedule, with their people."""

    model = ScheduleLayer
    form = LayerForm
    inlines = (LayerMemberInline, LayerRestrictionInline)
    ordering = ("position", "id")
    extra = 0


@admin.register(Schedule)
class ScheduleAdmin(AuditedModelAdmin):
    """Who is on call when."""

    form = ScheduleForm
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
        rows = super().get_queryset(request)
        return rows.annotate(layer_count=Count("layers", distinct=True))  # type: ignore[no-any-return]

    @admin.display(description="layers", ordering="layer_count")
    def layers_shown(self, schedule: Any) -> int:
        """How many layers it has."""
        return int(schedule.layer_count)

    def save_model(self, request: HttpRequest, obj: Schedule, form: AnyForm, change: bool) -> None:
        """Remember who is on call before anything changes; the form has locked the schedule."""
        if change:
            old, now = Schedule.objects.get(pk=obj.pk), timezone.now()
            form.turns_before = turn_orders(schedule=old, now=now)  # type: ignore[attr-defined]
            form.rota_before = rotas_of([obj.pk], since=now)[obj.pk]  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: AnyForm, formsets: list[Any], change: bool
    ) -> None:
        """Number the layers anew; whoever was on call still is. Ask before it leaves gaps."""
        super().save_related(request, form, formsets, change)
        schedule, now = form.instance, timezone.now()
        number_anew(ScheduleLayer.objects.filter(schedule=schedule))
        before = getattr(form, "turns_before", {})
        for layer in keep_turns(schedule=schedule, before=before, now=now):
            self.message_user(
                request,
                f"{layer.name}: the list was turned round so that whoever is on call still is. "
                "To hand over at once, use “Put on call now” on the schedule's page.",
            )
        if change:
            ask_about_gaps(
                before=form.rota_before,  # type: ignore[attr-defined]
                is_confirmed=is_confirmed(request),
                now=now,
            )
            count_version(entity=schedule, actor=request.user, now=now)  # type: ignore[arg-type]
        record_versions([schedule.pk], now=now)

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


@admin.register(Override)
class OverrideAdmin(AuditedModelAdmin):
    """Who comes, goes, or takes somebody's place for a while. The services keep the rules."""

    audits_itself = True
    form = OverrideForm
    list_display = ("schedule", "kind", "user", "replaces", "starts_at", "ends_at", "note")
    list_filter = (
        ("schedule", AutocompleteSelectFilter),
        ("user", AutocompleteSelectFilter),
        ("replaces", AutocompleteSelectFilter),
        "kind",
    )
    list_select_related = ("schedule", "user", "replaces")
    search_fields = ("schedule__name", "user__name", "replaces__name", "note")
    autocomplete_fields = ("schedule", "user", "replaces")
    ordering = ("-starts_at", "-id")

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """The form knows who is asking; Django makes a new class of it for each request."""
        form = super().get_form(request, obj, **kwargs)
        form.actor = request.user
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("schedule",) if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Make or change it."""
        saved = form.act(timezone.now())
        obj.pk, obj._state.adding = saved.pk, False

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete it, unless it has begun."""
        overrides.delete_override(
            override=obj,
            actor=request.user,  # type: ignore[arg-type]
            now=timezone.now(),
            ip=client_ip(request),
        )


class TemporaryShiftInline(TabularInline):  # type: ignore[misc]
    """Who is on call in a temporary schedule."""

    model = TemporaryShift
    autocomplete_fields = ("user",)
    ordering = ("starts_at", "id")
    extra = 0
    verbose_name_plural = "shifts: without any, nobody is on call"


@admin.register(TemporarySchedule)
class TemporaryScheduleAdmin(AuditedModelAdmin):
    """What holds instead of everything else for a while."""

    form = TemporaryForm
    list_display = ("schedule", "name", "starts_at", "ends_at")
    list_filter = (("schedule", AutocompleteSelectFilter),)
    list_select_related = ("schedule",)
    search_fields = ("name", "schedule__name")
    autocomplete_fields = ("schedule",)
    inlines = (TemporaryShiftInline,)
    ordering = ("-starts_at", "-id")

    def save_model(self, request: HttpRequest, obj: Any, form: AnyForm, change: bool) -> None:
        """Let changes of one schedule wait in line."""
        lock_schedules([obj.schedule_id])
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: AnyForm, formsets: list[Any], change: bool
    ) -> None:
        """Record what the schedule has become."""
        super().save_related(request, form, formsets, change)
        record_versions([form.instance.schedule_id], now=timezone.now())

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """End it: what was stays."""
        temporaries.end_temporary(
            temporary=obj,
            actor=request.user,  # type: ignore[arg-type]
            now=timezone.now(),
            ip=client_ip(request),
        )


@admin.register(SwapRequest)
class SwapRequestAdmin(ReadOnlyAdmin):
    """Who asked for a stand-in, and who stood in."""

    list_display = ("schedule", "requester", "starts_at", "ends_at", "state", "taken_by")
    list_filter = (("schedule", AutocompleteSelectFilter), "state")
    list_select_related = ("schedule", "requester", "taken_by")
    search_fields = ("schedule__name", "requester__name", "taken_by__name")
    ordering = ("-starts_at", "-id")


@admin.register(OnCallSettings)
class OnCallSettingsAdmin(AuditedModelAdmin):
    """One row; without it the defaults hold."""

    list_display = ("__str__", "calendar_feeds_enabled", "heartbeat_url", "heartbeat_seconds")
    search_fields = ("heartbeat_url",)
    fields = ("calendar_feeds_enabled", "heartbeat_url", "heartbeat_seconds")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """An address without a scheme is one of HTTPS."""
        if db_field.name == "heartbeat_url":
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return not OnCallSettings.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
