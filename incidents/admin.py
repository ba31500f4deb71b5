"""Administration of services and integrations.

Incidents and alerts are not here on purpose: administrators must not see private incidents of
teams they are not in, and Django's admin knows no such rule.
"""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action

from incidents.models import Integration, Service
from incidents.services.catalog import delete_integration, delete_service, rotate_integration_key
from incidents.services.signing import prepare_signing
from opsknight.admin import AuditedModelAdmin
from opsknight.web import client_ip


class IntegrationFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """Rows of a service; a new one begins as on the service's page."""

    def add_fields(self, form: Any, index: int | None) -> None:
        """Key, secrets and the duty to sign were made for the kind: it stays."""
        super().add_fields(form, index)
        form.fields["kind"].disabled = form.instance.pk is not None

    def save_new(self, form: Any, commit: bool = True) -> Any:
        """Build one, with its secret where we make it."""
        integration = super().save_new(form, commit=False)
        prepare_signing(integration)
        if commit:
            integration.save()
        return integration


class IntegrationInline(TabularInline):  # type: ignore[misc]
    """The ways in; the key is on the integration's own page."""

    model = Integration
    formset = IntegrationFormSet
    fields = ("name", "kind", "enabled")
    extra = 0
    show_change_link = True


@admin.register(Service)
class ServiceAdmin(AuditedModelAdmin):
    """Services. Deleting one deletes its history and is refused while incidents are open."""

    list_display = ("name", "team", "escalation_policy", "number_of_integrations")
    list_filter = (
        ("team", AutocompleteSelectFilter),
        ("escalation_policy", AutocompleteSelectFilter),
    )
    list_select_related = ("team", "escalation_policy")
    search_fields = ("name", "description")
    autocomplete_fields = ("team", "escalation_policy")
    fields = (
        "name", "description", "team", "escalation_policy", "storm_threshold",
        "flapping_openings", "flapping_minutes",
    )  # fmt: skip
    inlines = (IntegrationInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Service]:
        services: QuerySet[Service] = super().get_queryset(request)
        return services.annotate(integration_count=Count("integrations"))

    @admin.display(description="integrations", ordering="integration_count")
    def number_of_integrations(self, service: Any) -> int:
        """How many ways in there are."""
        return int(service.integration_count)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Through the service, which writes the audit log itself."""
        delete_service(service=obj, actor=request.user, ip=client_ip(request))  # type: ignore[arg-type]


@admin.register(Integration)
class IntegrationAdmin(AuditedModelAdmin):
    """One monitoring system's way in, with its key."""

    list_display = ("name", "service", "kind", "enabled")
    list_filter = ("kind", "enabled", ("service", AutocompleteSelectFilter))
    list_select_related = ("service",)
    search_fields = ("name", "service__name")
    autocomplete_fields = ("service",)
    fields = ("service", "name", "kind", "enabled", "key", "signature_required")
    # Requiring and waiving have rules: the integration's Security page.
    readonly_fields = ("key", "signature_required")
    actions_detail = ("rotate_key",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The kind stays, too, once there is a key, and a secret, of that kind."""
        return self.readonly_fields if obj is None else (*self.readonly_fields, "kind")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A new one begins as on the service's page."""
        if not change:
            prepare_signing(obj)
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Through the service, which writes the audit log itself."""
        delete_integration(integration=obj, actor=request.user, ip=client_ip(request))  # type: ignore[arg-type]

    @action(description="New key", url_path="rotate", icon="key")  # type: ignore[untyped-decorator]
    def rotate_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then give it a new key: whoever sends with the old one is turned away."""
        integration = get_object_or_404(Integration, pk=object_id)
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": "New key",
                "subtitle": str(integration),
                "integration": integration,
                "opts": self.opts,
            }
            return render(request, "admin/incidents/integration/rotate_key.html", context)
        rotate_integration_key(
            integration=integration,
            actor=request.user,  # type: ignore[arg-type]
            ip=client_ip(request),
        )
        self.message_user(request, "The integration has a new key. Put it into the sender.")
        change = reverse("admin:incidents_integration_change", args=[integration.pk])
        return HttpResponseRedirect(change)
