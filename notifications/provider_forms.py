"""Forms of the admin for accounts at providers, built from the fields of their kinds."""

from typing import Any, ClassVar

from django import forms
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from notifications.models import Provider as Account
from notifications.models.preferences import Channel
from notifications.providers import PROVIDERS
from notifications.providers.base import Field
from notifications.services.accounts import account_beside
from notifications.services.provider_accounts import (
    ENTER_AGAIN,
    AccountValues,
    secrets_to_enter_again,
    stored_secrets,
)
from notifications.services.provider_trials import channels_to_try

# Before the names of a kind's own fields, so that they meet neither columns nor each other.
VALUE, REMOVE = "value_", "remove_"
MAX_LENGTH = 5000
PHONE_HELP = "A number with its country, such as +49 151 23456789."


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """An account of one kind. Secrets are entered and never shown."""

    kind: ClassVar[str] = ""
    kind_fields: ClassVar[tuple[Field, ...]] = ()

    class Meta:
        model = Account
        fields = ("name", "position", "enabled", "per_minute")
        help_texts: ClassVar[dict[str, str]] = {
            "position": "Of several that carry the same channel, the lowest is asked first.",
            "per_minute": "Messages a minute; empty: what the channel allows.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        account: Account = self.instance
        self.stored = (stored_secrets(account) if account.pk else {}) or {}
        for field in self.kind_fields:
            shown = self.fields[VALUE + field.name]
            if not field.is_secret:
                shown.initial = account.settings.get(field.name, "")
            elif field.name in self.stored:
                shown.required = False
                shown.help_text = f"{field.help_text} Stored; leave it empty to keep it.".strip()

    def clean(self) -> dict[str, Any]:
        """An address of an API must be one; what else can be wrong, the kind knows."""
        data: dict[str, Any] = super().clean() or {}
        address = data.get(f"{VALUE}api_url", "")
        if address and not address.startswith(("https://", "http://")):
            self.add_error(f"{VALUE}api_url", "Begin with https:// (or http://).")
        entered = {f.name: data.get(VALUE + f.name) or f.default for f in self.kind_fields}
        for name, problem in PROVIDERS[self.kind].problems(entered).items():
            self.add_error(VALUE + name, problem)
        self.instance.kind = self.kind
        if data.get("enabled") and (other := account_beside(self.instance)) is not None:
            self.add_error("enabled", f"There can be only one: switch {other} off first.")
        if self.instance.pk and not self.errors:
            for name in secrets_to_enter_again(self.instance, self.values, self.stored):
                self.add_error(VALUE + name, ENTER_AGAIN)
        return data

    @property
    def values(self) -> AccountValues:
        """What was entered, as the services take it."""
        data = self.cleaned_data
        settings, secrets = {}, {}
        for field in self.kind_fields:
            text = data.get(VALUE + field.name, "").strip()
            if not field.is_secret:
                settings[field.name] = text
            elif text or data.get(REMOVE + field.name):
                secrets[field.name] = text
        return AccountValues(
            name=data["name"],
            position=data["position"],
            enabled=data["enabled"],
            per_minute=data["per_minute"],
            settings={name: text for name, text in settings.items() if text},
            secrets=secrets,
        )


def form_of_kind(kind: str) -> type[AccountForm]:
    """The form for accounts of a kind."""
    fields = PROVIDERS[kind].fields
    declared: dict[str, Any] = {VALUE + field.name: _form_field(field) for field in fields}
    for field in fields:
        if field.is_secret and not field.is_required:
            declared[REMOVE + field.name] = forms.BooleanField(
                label=f"Remove: {field.label}", required=False, widget=UnfoldBooleanSwitchWidget
            )
    return type("AccountForm", (AccountForm,), declared | {"kind": kind, "kind_fields": fields})


def value_names(kind: str) -> list[str]:
    """The names of the fields that the kind brings."""
    return [name for name in form_of_kind(kind).base_fields if name.startswith((VALUE, REMOVE))]


def _form_field(field: Field) -> forms.Field:
    required = field.is_required and not field.default
    help_text = field.help_text
    if field.choices:
        none = [] if field.default or field.is_required else [("", "—")]
        return forms.ChoiceField(
            label=field.label,
            required=required,
            choices=[*none, *field.choices],
            initial=field.default,
            help_text=help_text,
            widget=UnfoldAdminSelectWidget,
        )
    if field.default:
        help_text = f"{help_text} Empty: {field.default}.".strip()
    # A browser must not offer its own passwords here, nor remember ours.
    secret = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    return forms.CharField(
        label=field.label,
        required=required,
        max_length=MAX_LENGTH,
        help_text=help_text,
        strip=True,
        widget=secret if field.is_secret else UnfoldAdminTextInputWidget(),
    )


# What a test goes to, where that does not follow from the channel's name.
ADDRESS_HELP = {
    Channel.SMS: PHONE_HELP,
    Channel.VOICE: PHONE_HELP,
    Channel.WHATSAPP: PHONE_HELP,
    Channel.SLACK: "The id of a channel or a member, such as C012AB3CD. A name does not do.",
    Channel.TELEGRAM: "The number of a chat: write /id there.",
}


class TrialForm(forms.Form):
    """Where a test message goes."""

    channel = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    address = forms.CharField(max_length=1000, widget=UnfoldAdminTextInputWidget)

    def __init__(self, kind: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = dict(Channel.choices)
        names = channels_to_try(kind)
        choices = self.fields["channel"]
        assert isinstance(choices, forms.ChoiceField)  # noqa: S101
        choices.choices = [(name, labels[name]) for name in names]
        choices.initial = names[0] if names else None
        helped = dict.fromkeys(ADDRESS_HELP.get(Channel(name), "") for name in names)
        self.fields["address"].help_text = " ".join(text for text in helped if text)
