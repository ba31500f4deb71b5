"""Administration of contact methods, rules and destinations, and a look at the outbox.

Titles of incidents are not shown: administrators must not see private incidents of teams they are
not in. What was sent is on the incident's own page.
"""

import secrets
from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from notifications.events import LABELS
from notifications.models import (
    Absence,
    ContactMethod,
    DeliveryAttempt,
    Destination,
    EventSubscription,
    Notification,
    NotificationRule,
    PagingPreferences,
    VerificationCode,
)
from notifications.models.preferences import Channel
from notifications.provider_admin import ProviderAdmin
from notifications.services.preferences import ADDABLE
from notifications.services.subscriptions import (
    SubscriptionValues,
    create_subscription,
    delete_subscription,
    update_subscription,
)
from notifications.services.verification import needs_code
from notifications.subscription_admin_form import EventSubscriptionForm
from opsknight.admin import AuditedModelAdmin, ReadOnlyAdmin
from opsknight.models import User
from opsknight.services.audit import MASK
from opsknight.web import client_ip

__all__ = ["ProviderAdmin"]  # importing registers it


@admin.register(ContactMethod)
class ContactMethodAdmin(AuditedModelAdmin):
    """Addresses of people. Secrets are made here and shown to their owner only."""

    list_display = ("address", "user", "channel", "label", "is_usable_shown", "health_shown")
    list_filter = (
        "channel", "enabled", ("verified_at", admin.EmptyFieldListFilter),
        ("stopped_at", admin.EmptyFieldListFilter), ("user", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("user",)
    search_fields = ("address", "label", "user__name", "user__email")
    autocomplete_fields = ("user",)
    fields = (
        "user", "channel", "address", "label", "enabled", "broken_reason", "verified_at",
        "stopped_at",
    )  # fmt: skip
    # Only the owner proves that it is the owner's.
    readonly_fields = ("broken_reason", "verified_at", "stopped_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ContactMethod]:
        """Without the secrets, which nothing here needs."""
        methods: QuerySet[ContactMethod] = super().get_queryset(request)
        return methods.defer("secret")

    @admin.display(description="usable", boolean=True)
    def is_usable_shown(self, method: ContactMethod) -> bool:
        """Whether pages go there."""
        return method.is_usable

    @admin.display(description="why not")
    def health_shown(self, method: ContactMethod) -> str:
        """What stands between it and its use."""
        return method.health.words or "-"

    def save_model(self, request: HttpRequest, obj: ContactMethod, form: Any, change: bool) -> None:
        """A new webhook gets its secret; what is switched on is not broken any more.

        Another address, or one of somebody else, has to be verified anew.
        """
        if not change and obj.channel == Channel.WEBHOOK:
            obj.secret = secrets.token_urlsafe(32)
        is_moved = not change or {"user", "channel", "address"} & set(form.changed_data)
        if is_moved:
            is_free = not needs_code(obj.user, obj.channel, obj.address)
            obj.verified_at = timezone.now() if is_free and obj.channel in ADDABLE else None
        if obj.enabled:
            obj.broken_reason = ""
        super().save_model(request, obj, form, change)
        if is_moved:  # a code that went to the old address proves nothing of the new one
            VerificationCode.objects.filter(contact_method=obj).delete()


@admin.register(Destination)
class DestinationAdmin(AuditedModelAdmin):
    """What belongs to nobody; the pages of destinations also try them and show their secrets."""

    list_display = ("name", "channel", "team", "masked_address", "enabled", "is_broken_shown")
    list_filter = ("channel", "enabled", ("team", AutocompleteSelectFilter))
    list_select_related = ("team",)
    search_fields = ("name", "team__name")
    autocomplete_fields = ("team",)
    fields = ("name", "team", "channel", "address", "enabled", "broken_reason")
    readonly_fields = ("broken_reason",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Destination]:
        """Without the secrets, which nothing here needs."""
        places: QuerySet[Destination] = super().get_queryset(request)
        return places.defer("secret")

    @admin.display(description="broken", boolean=True)
    def is_broken_shown(self, destination: Destination) -> bool:
        """Whether the system switched it off."""
        return destination.is_broken

    def save_model(self, request: HttpRequest, obj: Destination, form: Any, change: bool) -> None:
        """A new webhook gets its secret; what is switched on is not broken any more."""
        if not change and obj.channel == Channel.WEBHOOK:
            obj.secret = secrets.token_urlsafe(32)
        if obj.enabled:
            obj.broken_reason = ""
        super().save_model(request, obj, form, change)


@admin.register(EventSubscription)
class EventSubscriptionAdmin(AuditedModelAdmin):
    """Who follows what. Through the services, which check events and templates."""

    audits_itself = True
    list_display = ("destination", "service", "team", "events_shown", "enabled")
    list_filter = (
        "enabled", "destination__channel", ("destination", AutocompleteSelectFilter),
        ("service", AutocompleteSelectFilter), ("team", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("destination", "service", "team")
    search_fields = ("destination__name", "service__name", "team__name")
    autocomplete_fields = ("destination", "service", "team")
    form = EventSubscriptionForm
    fields = ("destination", "service", "team", "events", "template", "enabled")

    def get_queryset(self, request: HttpRequest) -> QuerySet[EventSubscription]:
        """Without the secrets of destinations."""
        found: QuerySet[EventSubscription] = super().get_queryset(request)
        return found.defer("destination__secret")

    def get_readonly_fields(
        self, request: HttpRequest, obj: EventSubscription | None = None
    ) -> tuple[str, ...]:
        """What is followed, and where to, stays: make another one."""
        return ("destination", "service", "team") if obj is not None else ()

    @admin.display(description="events")
    def events_shown(self, found: EventSubscription) -> str:
        """Which events, in words."""
        return ", ".join(LABELS.get(name, name) for name in found.events) or "All events"

    def save_model(
        self, request: HttpRequest, obj: EventSubscription, form: Any, change: bool
    ) -> None:
        """The actor must be one who may; the services say so."""
        actor, ip = cast(User, request.user), client_ip(request)
        values = cast(SubscriptionValues, form.cleaned_data)
        if change:
            stored = EventSubscription.objects.get(pk=obj.pk)
            update_subscription(subscription=stored, values=values, actor=actor, ip=ip)
            return
        made = create_subscription(values=values, actor=actor, now=timezone.now(), ip=ip)
        obj.pk, obj._state.adding = made.pk, False

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        delete_subscription(subscription=obj, actor=cast(User, request.user), ip=client_ip(request))


@admin.register(NotificationRule)
class NotificationRuleAdmin(AuditedModelAdmin):
    """When which address is used. The rule's person is the address's."""

    list_display = ("contact_method", "user", "urgency", "delay_minutes")
    list_filter = ("urgency", ("user", AutocompleteSelectFilter), "contact_method__channel")
    list_select_related = ("user", "contact_method")
    search_fields = ("user__name", "user__email", "contact_method__address")
    autocomplete_fields = ("contact_method",)
    fields = ("contact_method", "urgency", "delay_minutes")

    def save_model(
        self, request: HttpRequest, obj: NotificationRule, form: Any, change: bool
    ) -> None:
        """Whose it is follows from the address."""
        obj.user_id = obj.contact_method.user_id
        super().save_model(request, obj, form, change)


@admin.register(PagingPreferences)
class PagingPreferencesAdmin(AuditedModelAdmin):
    """Quiet hours and digests of people."""

    list_display = ("user", "quiet_up_to", "quiet_from", "quiet_until", "digest")
    list_filter = ("quiet_up_to", "digest")
    list_select_related = ("user",)
    search_fields = ("user__name", "user__email")
    autocomplete_fields = ("user",)
    fields = (
        "user", "quiet_up_to", "quiet_from", "quiet_until", "quiet_weekdays", "digest", "digest_at",
    )  # fmt: skip


@admin.register(Absence)
class AbsenceAdmin(AuditedModelAdmin):
    """Who is away and who stands in: for those who cannot enter it themselves."""

    list_display = ("user", "substitute", "begins_at", "ends_at", "note")
    list_filter = (("user", AutocompleteSelectFilter), "begins_at")
    list_select_related = ("user", "substitute")
    search_fields = ("user__name", "user__email", "substitute__name", "substitute__email")
    autocomplete_fields = ("user", "substitute")
    fields = ("user", "substitute", "begins_at", "ends_at", "note")


class DeliveryAttemptInline(TabularInline):  # type: ignore[misc]
    """What the provider answered, each time."""

    model = DeliveryAttempt
    fields = ("at", "outcome", "detail", "duration_ms")
    readonly_fields = fields
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """The outbox, to look at."""

    list_display = (
        "created_at", "incident_id", "recipient", "channel", "state", "attempts", "last_error",
    )  # fmt: skip
    list_filter = (
        "state", "channel", "reason", ("user", AutocompleteSelectFilter),
        ("destination", AutocompleteSelectFilter),
    )  # fmt: skip
    list_select_related = ("user", "destination")
    search_fields = (
        "=incident__id", "user__name", "user__email", "destination__name", "address", "cause",
    )  # fmt: skip
    fields = (
        "incident_id", "user", "in_place_of", "destination_id", "subject", "text_shown", "link",
        "channel", "address", "reason", "cause", "delay_minutes", "needs_own_ack", "state",
        "attempts", "maybe_duplicate", "last_error", "created_at", "due_at", "leased_until",
        "finished_at", "read_at", "idempotency_key",
    )  # fmt: skip
    readonly_fields = fields
    inlines = (DeliveryAttemptInline,)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        """Without the secrets of destinations."""
        rows: QuerySet[Notification] = super().get_queryset(request)
        return rows.defer("destination__secret")

    @admin.display(description="text")
    def text_shown(self, row: Notification) -> str:
        """What it says; not a code, which would prove that its reader has the address, and not
        the titles of a digest, among which those of private incidents are."""
        hidden = (Notification.Reason.VERIFICATION, Notification.Reason.DIGEST)
        return MASK if row.reason in hidden else row.text
