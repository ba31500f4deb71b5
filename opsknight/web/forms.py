"""Forms of the account pages. Rules live in the services; `add_errors` brings them back here."""

import zoneinfo
from collections.abc import Iterable
from typing import Any

from django import forms

from opsknight.errors import OpsKnightError
from opsknight.models import ApiKey

PASSWORD_LENGTH = 128
# What AUTH_PASSWORD_VALIDATORS demand, in one sentence.
RULES_IN_WORDS = (
    "10 characters or more: lower- and upper-case letters, a digit and another character. "
    "Nothing common, nothing like your name."
)


def add_errors(form: forms.BaseForm, error: OpsKnightError) -> None:
    """Show what a service refused at the fields it names, or above the form."""
    for name, texts in error.fields.items():
        form.add_error(name if name in form.fields else None, texts)
    if not error.fields:
        form.add_error(None, error.message)


def time_zones() -> list[tuple[str, str]]:
    """Every IANA zone a person may live in, UTC first."""
    names = sorted(n for n in zoneinfo.available_timezones() if "/" in n and n[:4] != "Etc/")
    return [(name, name.replace("_", " ")) for name in ["UTC", *names]]


class TimeZoneField(forms.ChoiceField):
    """One of the IANA zones; a stored one that is not listed stays selectable."""

    def __init__(self, **kwargs: Any) -> None:
        help_text = "Times are shown in it."
        super().__init__(choices=time_zones, initial="UTC", help_text=help_text, **kwargs)

    def valid_value(self, value: str) -> bool:
        return value in zoneinfo.available_timezones()


class PasswordField(forms.CharField):
    """Typed, never shown, never trimmed."""

    def __init__(self, autocomplete: str, **kwargs: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
        super().__init__(widget=widget, strip=False, max_length=PASSWORD_LENGTH, **kwargs)


class LoginForm(forms.Form):
    """Who wants in."""

    email = forms.EmailField(
        label="E-mail",
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = PasswordField("current-password")


class NewPasswordForm(forms.Form):
    """A new password, twice."""

    password = PasswordField("new-password", label="Password")
    password_again = PasswordField("new-password", label="Password, once more")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = RULES_IN_WORDS

    def clean(self) -> dict[str, Any]:
        """Both must be the same."""
        data = super().clean() or {}
        first, second = data.get("password"), data.get("password_again")
        if first and second and first != second:
            self.add_error("password_again", "This differs from the password above.")
        return data


class JoinForm(NewPasswordForm):
    """What an invited person says about themselves."""

    name = forms.CharField(
        max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"}), label="Your name"
    )
    time_zone = TimeZoneField(label="Time zone")

    field_order: Iterable[str] | None = ("name", "time_zone", "password", "password_again")


class SetupForm(JoinForm):
    """The first administrator."""

    email = forms.EmailField(
        label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )

    field_order = ("name", "email", "time_zone", "password", "password_again")


class ChangePasswordForm(NewPasswordForm):
    """The present password, then a new one."""

    current_password = PasswordField("current-password", label="Present password")
    password = PasswordField("new-password", label="New password")
    password_again = PasswordField("new-password", label="New password, once more")

    field_order = ("current_password", "password", "password_again")


class ProfileForm(forms.Form):
    """What a person may change about themselves."""

    name = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    time_zone = TimeZoneField(label="Time zone")


class ApiKeyForm(forms.Form):
    """A new key."""

    name = forms.CharField(max_length=200, help_text="What will use it, such as a script's name.")
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, f"{scope.label} ({scope.value})") for scope in ApiKey.Scope],
        widget=forms.CheckboxSelectMultiple,
        label="It may",
    )
