"""Administration of people and teams."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import action, display

from opsknight.admin.base import AuditedModelAdmin, is_confirmed
from opsknight.departures import losses_without, require_confirmation
from opsknight.errors import OpsKnightError
from opsknight.models import Team, TeamMember, User, UserToken
from opsknight.services import accounts, people
from opsknight.services.teams import broken_rules, roles_in
from opsknight.web import client_ip
from opsknight.web.links import address_of

STATUS_TONES = {"active": "success", "invited": "info", "disabled": "danger"}


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    """Says at the field what the services would refuse."""

    actor: User

    class Meta:
        model = User
        fields = ("email", "name", "role", "status", "time_zone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        status = self.fields.get("status")
        if isinstance(status, forms.ChoiceField):
            allowed = people.allowed_statuses(self.instance)
            status.choices = [(s, User.Status(s).label) for s in allowed]

    def clean(self) -> dict[str, Any]:
        """Check against the person as stored, before the values reach the object."""
        data = super().clean() or {}
        if self.instance.pk is not None:
            reasons = people.reasons_against(actor=self.actor, user=self.instance, values=data)
            for name, texts in reasons.items():
                self.add_error(name if name in self.fields else None, texts)
        return data


class MembershipInline(TabularInline):  # type: ignore[misc]
    """The teams of a person, to look at; they are changed on the team."""

    model = TeamMember
    fields = ("team", "role", "receives_pages")
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(AuditedModelAdmin):
    """People. Adding one makes an invitation; nobody sets a password for somebody else."""

    audits_itself = True
    form = UserForm
    list_display = ("name", "email", "role", "status_badge", "last_login", "created_at")
    list_filter = ("role", "status", "teams")
    search_fields = ("name", "email")
    ordering = ("name", "id")
    readonly_fields = ("last_login", "created_at")
    add_fieldsets = ((None, {"fields": ("email", "name", "role", "time_zone")}),)
    fieldsets = (
        (None, {"fields": ("email", "name", "role", "status", "time_zone")}),
        ("Account", {"fields": ("last_login", "created_at")}),
    )
    inlines = (MembershipInline,)
    actions = ("enable_selected", "disable_selected", "sign_out_selected")
    actions_detail = ("one_time_link",)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Not by password: filters would give away hashes, letter by letter."""
        allowed: bool = super().lookup_allowed(lookup, value, request)
        return allowed and not lookup.startswith("password")

    @display(description="Status", ordering="status", label=STATUS_TONES)  # type: ignore[untyped-decorator]
    def status_badge(self, user: User) -> tuple[str, str]:
        """The status as a coloured label."""
        return user.status, user.get_status_display()

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> type[UserForm]:
        """The form knows who is asking; Django makes a new class of it for each request."""
        form: type[UserForm] = super().get_form(request, obj, **kwargs)
        form.actor = _actor(request)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        own = ("role", "status") if obj is not None and obj.pk == _actor(request).pk else ()
        return (*self.readonly_fields, *own)

    def get_inlines(self, request: HttpRequest, obj: Any) -> tuple[type[TabularInline], ...]:
        return self.inlines if obj is not None else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not oneself."""
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and (obj is None or obj.pk != _actor(request).pk)

    def save_model(self, request: HttpRequest, obj: User, form: UserForm, change: bool) -> None:
        """Invite, or change through the service that keeps the rules."""
        data, actor, ip = form.cleaned_data, _actor(request), client_ip(request)
        if change:
            people.update_user(
                actor=actor,
                user=obj,
                values=data,
                ip=ip,
                is_confirmed=is_confirmed(request),
            )
            return
        user, obj.invitation_token = accounts.invite_user(  # type: ignore[attr-defined]
            actor=actor,
            email=data["email"],
            name=data["name"],
            role=data["role"],
            time_zone=data["time_zone"],
            ip=ip,
            now=timezone.now(),
        )
        obj.pk, obj._state.adding = user.pk, False

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the invitation: this is the only time it can be shown."""
        return self._link_page(request, obj, UserToken.Purpose.INVITE, obj.invitation_token)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Through the service, which refuses oneself, the last administrator and a sole owner.

        Whoever comes here has seen on the page before what is lost.
        """
        people.delete_user(
            actor=_actor(request), user=obj, ip=client_ip(request), is_confirmed=True
        )

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Also what nobody does any more, such as being on call."""
        lines, *others = super().get_deleted_objects(objs, request)
        losses = losses_without(list(objs), now=timezone.now())
        return ([*losses, *lines], *others)

    @action(description="One-time link", url_path="link", icon="link")  # type: ignore[untyped-decorator]
    def one_time_link(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """On POST make an invitation or a link for a new password, and show it once."""
        user = get_object_or_404(User, pk=object_id)
        is_invited = user.status == User.Status.INVITED
        purpose = UserToken.Purpose.INVITE if is_invited else UserToken.Purpose.PASSWORD_RESET
        if request.method != "POST":
            return self._link_page(request, user, purpose)
        make = accounts.renew_invitation if is_invited else accounts.create_reset_link
        token = make(actor=_actor(request), user=user, ip=client_ip(request), now=timezone.now())
        return self._link_page(request, user, purpose, token)

    def _link_page(
        self, request: HttpRequest, user: User, purpose: UserToken.Purpose, token: str = ""
    ) -> HttpResponse:
        """The link, or without a token the question whether to make one."""
        context = {
            **self.admin_site.each_context(request),
            "title": "One-time link",
            "subtitle": str(user),
            "person": user,
            "is_invitation": purpose == UserToken.Purpose.INVITE,
            "address": address_of(purpose, token) if token else "",
            "opts": self.opts,
        }
        return render(request, "admin/opsknight/user/link.html", context)

    @admin.action(description="Enable")
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, people.enable_user, "enabled")

    @admin.action(description="Disable and sign out")
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """All at once are asked about: together they may leave gaps that nobody leaves alone."""
        if not is_confirmed(request):
            losses = losses_without(queryset, now=timezone.now())
            require_confirmation(what="Without them", losses=losses, is_confirmed=False)
        disable = partial(people.disable_user, is_confirmed=True)
        self._each(request, queryset, disable, "disabled")

    @admin.action(description="Sign out everywhere")
    def sign_out_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, accounts.sign_out_everywhere, "signed out")

    def _each(self, request: HttpRequest, queryset: QuerySet[User], act: Any, done: str) -> None:
        """One by one: whom the rules protect stays as it is and is named."""
        names = []
        for user in queryset:
            try:
                act(actor=_actor(request), user=user, ip=client_ip(request))
            except OpsKnightError as error:
                reasons = [text for texts in error.fields.values() for text in texts]
                text = f"{user}: {' '.join(reasons) or error.message}"
                self.message_user(request, text, messages.ERROR)
            else:
                names.append(str(user))
        if names:
            self.message_user(request, f"{', '.join(names)}: {done}.", messages.SUCCESS)


class MemberFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """The members as a whole: the lead among them, an owner left."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        team: Team = self.instance
        if team.pk is not None:
            Team.objects.select_for_update(of=("self",)).get(pk=team.pk)
        kept = [f.cleaned_data for f in self.forms if f not in self.deleted_forms]
        after = {row["user"].pk: row["role"] for row in kept if row.get("user")}
        before = roles_in(team) if team.pk is not None else {}
        reasons = broken_rules(lead_id=team.lead_id, before=before, after=after)
        if reasons:
            raise forms.ValidationError([text for texts in reasons.values() for text in texts])


class MemberInline(TabularInline):  # type: ignore[misc]
    """Who is in the team."""

    model = TeamMember
    formset = MemberFormSet
    fields = ("user", "role", "receives_pages")
    autocomplete_fields = ("user",)
    extra = 0
    verbose_name = "member"
    verbose_name_plural = "members"


@admin.register(Team)
class TeamAdmin(AuditedModelAdmin):
    """Teams with their members."""

    list_display = ("name", "lead", "description")
    list_filter = ("lead",)
    list_select_related = ("lead",)
    search_fields = ("name", "description")
    autocomplete_fields = ("lead",)
    fields = ("name", "description", "lead")
    inlines = (MemberInline,)


def _actor(request: HttpRequest) -> User:
    """The administrator; the admin lets nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101 - narrows the type
    return request.user
