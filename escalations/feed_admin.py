"""Django's admin for what goes out of schedules: announcements and calendar feeds."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from escalations.models import CalendarFeed, OnCallAnnouncement
from opsknight.admin import AuditedModelAdmin, ReadOnlyAdmin


@admin.register(OnCallAnnouncement)
class OnCallAnnouncementAdmin(AuditedModelAdmin):
    """Which channels are told who is on call."""

    list_display = ("schedule", "destination", "when", "time")
    list_select_related = ("schedule", "destination")
    list_filter = ("when",)
    search_fields = ("schedule__name", "destination__name")
    autocomplete_fields = ("schedule", "destination")
    fields = ("schedule", "destination", "when", "time", "weekdays")


@admin.register(CalendarFeed)
class CalendarFeedAdmin(ReadOnlyAdmin):
    """Whose calendars there are; the addresses are their owners' secret."""

    list_display = ("name", "owner", "schedule", "is_enabled", "last_used_at")
    list_select_related = ("owner", "schedule")
    list_filter = ("is_enabled",)
    search_fields = ("name", "owner__name", "owner__email", "schedule__name")
    fields = ("name", "owner", "schedule", "person", "is_enabled", "created_at", "last_used_at")
    readonly_fields = ("owner", "schedule", "person", "created_at", "last_used_at")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Everybody makes their own; administrators may switch it off."""
        return bool(AuditedModelAdmin.has_change_permission(self, request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """And delete it."""
        return bool(AuditedModelAdmin.has_delete_permission(self, request, obj))

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without the secrets: one lost key must not hide the list."""
        return super().get_queryset(request).defer("token")
