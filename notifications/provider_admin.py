"""Django's admin for accounts at providers: who carries messages, in which order, and whether."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.timezone import localtime
from unfold.decorators import action

from notifications.breakers import breaker_state
from notifications.left_alone import left_alone
from notifications.models import Provider as Account
from notifications.models.preferences import Channel
from notifications.provider_forms import AccountForm, TrialForm, form_of_kind, value_names
from notifications.providers import PROVIDERS
from notifications.providers.base import ProviderConfig
from notifications.services.accounts import environment_accounts
from notifications.services.provider_accounts import (
    create_account,
    delete_account,
    update_account,
)
from notifications.services.provider_trials import find_config, try_account
from opsknight.admin import AuditedModelAdmin
from opsknight.errors import NotFound, OpsKnightError
from opsknight.models import User
from opsknight.web import client_ip

COLUMNS = ("name", "position", "enabled", "per_minute")


@admin.register(Account)
class ProviderAdmin(AuditedModelAdmin):
    """Accounts, in the order in which they are asked. Secrets are entered and never shown."""

    audits_itself = True
    list_display = (
        "name", "kind_shown", "channels_shown", "position", "enabled", "now_shown", "per_minute",
    )  # fmt: skip
    list_filter = ("enabled",)
    search_fields = ("name", "kind")
    ordering = ("position", "id")
    actions_detail = ("send_test",)
    list_before_template = "admin/notifications/provider/environment.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Without the secrets: one lost key must not hide the list."""
        accounts: QuerySet[Account] = super().get_queryset(request)
        return accounts.defer("secrets")

    @admin.display(description="kind", ordering="kind")
    def kind_shown(self, account: Account) -> str:
        """The kind by its name."""
        provider = PROVIDERS.get(account.kind)
        return provider.label if provider is not None else account.kind

    @admin.display(description="channels")
    def channels_shown(self, account: Account) -> str:
        """What the kind can carry."""
        provider = PROVIDERS.get(account.kind)
        return channel_names(provider.channels if provider is not None else ())

    @admin.display(description="now")
    def now_shown(self, account: Account) -> str:
        """Whether messages go through it at this moment, and until when not."""
        return now_in_words(account.key) if account.enabled else "switched off"

    # The form follows from the kind.

    def get_form(
        self, request: HttpRequest, obj: Account | None = None, change: bool = False, **kwargs: Any
    ) -> type[AccountForm]:
        """With the fields of its kind."""
        kwargs["form"] = form_of_kind(_kind(request, obj))
        form: type[AccountForm] = super().get_form(request, obj, change, **kwargs)
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Account | None = None) -> Any:
        kind = _kind(request, obj)
        provider = PROVIDERS[kind]
        reports = f"Let it report to {settings.PUBLIC_URL}{provider.reports_to}"
        own = {"fields": value_names(kind), "description": reports if provider.reports_to else ""}
        return ((None, {"fields": COLUMNS}), (provider.label, own))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """First the question which kind, then its form."""
        if request.GET.get("kind") in kinds_to_enter():
            answer: HttpResponse = super().add_view(request, form_url, extra_context)
            return answer
        kinds = [
            (kind, PROVIDERS[kind].label, channel_names(PROVIDERS[kind].channels))
            for kind in kinds_to_enter()
        ]
        context = self._context(request, title="Which provider?", kinds=kinds)
        return render(request, "admin/notifications/provider/kinds.html", context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """A row of a kind that is not there any more can only be deleted."""
        account = self.get_object(request, object_id) if object_id else None
        if account is not None and account.kind not in PROVIDERS:
            self.message_user(request, "This kind does not exist any more.", messages.WARNING)
            page = reverse("admin:notifications_provider_delete", args=[account.pk])
            return HttpResponseRedirect(page)
        return super().changeform_view(request, object_id, *args, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: Account, form: AccountForm, change: bool
    ) -> None:
        """Through the services, which keep the secrets that were not entered."""
        actor, ip = _actor(request), client_ip(request)
        if change:
            update_account(pk=obj.pk, values=form.values, actor=actor, ip=ip)
            return
        made = create_account(kind=form.kind, values=form.values, actor=actor, ip=ip)
        obj.pk, obj._state.adding = made.pk, False

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        delete_account(account=obj, actor=_actor(request), ip=client_ip(request))

    # Trying.

    def get_urls(self) -> list[URLPattern]:
        """With the page that tries an account by its key."""
        page = self.admin_site.admin_view(self.test_view)
        urls: list[URLPattern] = super().get_urls()
        return [path("test/<str:key>/", page, name="notifications_provider_test"), *urls]

    @action(description="Send test", url_path="test", icon="send")  # type: ignore[untyped-decorator]
    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Leads to the page that asks for an address."""
        return HttpResponseRedirect(_test_page(object_id))

    def test_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """On POST send a message through this account, and show what the provider said."""
        if not self.has_change_permission(request):
            raise NotFound("There is no such provider.")
        try:
            config = find_config(key)
        except OpsKnightError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:notifications_provider_changelist"))
        # What was tried last is there to be tried again, of this account alone.
        tried = request.session.get("provider_test", {})
        form = TrialForm(config.kind, request.POST or None, initial=tried.get(key))
        if request.method == "POST" and form.is_valid():
            self._try(request, config, form)
            request.session["provider_test"] = {key: form.cleaned_data}
            return HttpResponseRedirect(_test_page(key))
        context = self._context(request, title="Send test", name=config.name, form=form)
        return render(request, "admin/notifications/provider/test.html", context)

    def _try(self, request: HttpRequest, config: ProviderConfig, form: TrialForm) -> None:
        data = form.cleaned_data
        try:
            answer = try_account(
                config=config,
                channel=data["channel"],
                address=data["address"],
                actor=_actor(request),
                ip=client_ip(request),
            )
        except OpsKnightError as error:
            self.message_user(request, error.message, messages.ERROR)
            return
        if answer.was_taken:
            said = f": {answer.text}" if answer.text else ""
            self.message_user(request, f"{config.name} took it{said}.", messages.SUCCESS)
        else:
            self.message_user(request, f"It was not sent. {answer.text}", messages.ERROR)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """With the accounts of the environment above."""
        found = [
            {
                "name": config.name,
                "channels": channel_names(PROVIDERS[config.kind].channels),
                "now": now_in_words(config.key),
                "test": _test_page(config.key),
            }
            for config in environment_accounts()
        ]
        return super().changelist_view(request, (extra_context or {}) | {"from_env": found})

    def _context(self, request: HttpRequest, **values: Any) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, **values}


def kinds_to_enter() -> list[str]:
    """The kinds that need an account."""
    return [kind for kind, provider in PROVIDERS.items() if not provider.is_built_in]


def channel_names(channels: tuple[str, ...]) -> str:
    """Channels as people call them."""
    labels = dict(Channel.choices)
    return ", ".join(str(labels[name]) for name in channels)


def now_in_words(key: str) -> str:
    """Whether an account is in use at this moment, or left alone: until when, and why."""
    state = breaker_state(key)
    alone = left_alone([key], [state] if state is not None else []).get(key)
    if alone is None:
        return "in use"
    if alone.until is None:
        return f"one message tries whether it is back. {alone.why}"
    return f"left alone until {localtime(alone.until):%H:%M:%S}. {alone.why}"


def _kind(request: HttpRequest, obj: Account | None) -> str:
    return obj.kind if obj is not None else request.GET.get("kind", "")


def _test_page(key: str) -> str:
    return reverse("admin:notifications_provider_test", args=[key])


def _actor(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101 - the admin lets nobody else in
    return request.user
