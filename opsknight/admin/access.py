"""Keys and the audit log: to look at."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter

from opsknight.admin.base import ReadOnlyAdmin
from opsknight.models import ApiKey, AuditEntry
from opsknight.services.keys import revoke_api_key
from opsknight.web import client_ip


class RevokedFilter(admin.SimpleListFilter):
    """Keys that work, or not."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("valid", "Valid"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        if self.value() is None:
            return queryset
        return queryset.filter(revoked_at__isnull=self.value() == "valid")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Whose keys exist. Owners make them on their own page; administrators may revoke them."""

    list_display = ("name", "user", "prefix", "scopes", "created_at", "last_used_at", "revoked_at")
    list_filter = (RevokedFilter, ("user", AutocompleteSelectFilter))
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__name", "user__email")
    fields = list_display
    actions = ("revoke_selected",)

    @admin.action(description="Revoke")
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Revoke the chosen keys; those revoked already stay as they are."""
        now, count = timezone.now(), 0
        for key in queryset.filter(revoked_at__isnull=True):
            revoke_api_key(key=key, actor=request.user, now=now, ip=client_ip(request))  # type: ignore[arg-type]
            count += 1
        self.message_user(request, f"{count} revoked.", messages.SUCCESS)


class FamilyFilter(admin.SimpleListFilter):
    """By the first word of the action: a fixed list, so that no DISTINCT reads the whole log."""

    title = "kind"
    parameter_name = "kind"
    FAMILIES: ClassVar[dict[str, str]] = {
        "login": "Sign-ins",
        "logout": "Sign-outs",
        "session": "Sessions",
        "user": "People",
        "team": "Teams",
        "api_key": "API keys",
        "service": "Services",
        "integration": "Integrations",
        "schedule": "Schedules",
        "escalation_policy": "Policies",
        "contact_method": "Contact methods",
        "notification_rule": "Notification rules",
        "paging_preferences": "Paging preferences",
        "absence": "Absences",
        "destination": "Destinations",
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.FAMILIES.items())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry]
    ) -> QuerySet[AuditEntry]:
        family = self.value()
        return queryset.filter(action__startswith=family) if family else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who changed what, who signed in; nothing here can be changed."""

    list_display = ("instant", "who", "action", "what", "difference", "ip")
    list_display_links = ("instant",)
    list_filter = (
        FamilyFilter,
        ("at", RangeDateTimeFilter),
        ("actor", AutocompleteSelectFilter),
    )
    list_select_related = ("actor",)
    search_fields = ("actor_label", "entity_label", "action", "ip")
    ordering = ("-at", "-id")
    show_full_result_count = False
    fields = ("instant", "who", "action", "entity_type", "entity_id", "what", "ip", "difference")
    readonly_fields = fields

    @admin.display(description="at", ordering="at")
    def instant(self, entry: AuditEntry) -> str:
        """To the second, in the administrator's zone."""
        return f"{timezone.localtime(entry.at):%Y-%m-%d %H:%M:%S}"

    @admin.display(description="who", ordering="actor_label")
    def who(self, entry: AuditEntry) -> str:
        """The actor as named then; nobody: the system, or somebody unknown."""
        return entry.actor_label or "—"

    @admin.display(description="what", ordering="entity_label")
    def what(self, entry: AuditEntry) -> str:
        """What was changed, as it was called then."""
        return entry.entity_label or "—"

    @admin.display(description="changes")
    def difference(self, entry: AuditEntry) -> SafeString:
        """One line per field: before → after."""
        lines = ((name, _shown(old), _shown(new)) for name, (old, new) in entry.changes.items())
        return format_html_join(mark_safe("<br>"), "{}: {} → {}", lines)


def _shown(value: Any) -> str:
    match value:
        case None | "":
            return "—"
        case dict():
            return ", ".join(f"{name} {_shown(inner)}" for name, inner in value.items())
        case list():
            return ", ".join(_shown(inner) for inner in value)
        case _:
            return str(value)
