"""Forms and formsets of the admin: what they refuse says what to do instead."""

from typing import Any, TypeAlias

from django import forms
from django.core.exceptions import ValidationError
from django.forms import ModelForm

from escalations.models import LayerMember, ScheduleLayer
from escalations.oncall import MAX_LENGTH, Rotation
from escalations.services.people import why_not_pageable
from opsknight.models import User

# Django's forms take a type parameter only where its stubs are installed.
AnyForm: TypeAlias = "ModelForm[Any]"


class NumberedForm(forms.ModelForm):  # type: ignore[type-arg]
    """A row with a position. Positions may clash while rows are moved: saving numbers them anew."""

    def has_changed(self) -> bool:
        """A new row whose own fields were left as they are counts once something is in it."""
        nested = getattr(self, "nested_formsets", ())
        return super().has_changed() or any(inline.formset.has_changed() for inline in nested)

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded | {"position"}


class LayerForm(NumberedForm):
    """One layer of a schedule."""

    class Meta:
        model = ScheduleLayer
        fields = ("name", "position", "rotation", "rotation_length", "starts_at", "ends_at")

    def clean(self) -> dict[str, Any]:
        """Refuse a rotation that no calendar could be made of, at the field it is about."""
        values = super().clean() or {}
        length, starts_at = values.get("rotation_length"), values.get("starts_at")
        ends_at = values.get("ends_at")
        if length is not None and not 1 <= length <= MAX_LENGTH:
            self.add_error("rotation_length", f"A turn lasts 1 to {MAX_LENGTH} of its unit.")
        if starts_at is None:
            return values
        try:
            Rotation("daily", 1, starts_at)
        except ValueError as error:
            self.add_error("starts_at", f"Use another date: {error}.")
        if ends_at is not None and ends_at <= starts_at:
            self.add_error("ends_at", "The end must be later than the start.")
        return values


class MemberForm(NumberedForm):
    """One place in a rotation."""

    class Meta:
        model = LayerMember
        fields = ("turn", "user")
        error_messages = {  # noqa: RUF012 — Django's way
            "user": {"required": "Choose a person, or remove this place."}
        }

    def clean_user(self) -> User | None:
        """Newly named people must be pageable; those already there may leave in their own time."""
        user: User | None = self.cleaned_data.get("user")
        if user is not None and "user" in self.changed_data:
            check_pageable(user)
        return user


def check_pageable(user: User) -> None:
    """Raise ValidationError for somebody who cannot be named."""
    if reason := why_not_pageable(user.pk, {user.pk: user}):
        raise ValidationError(reason)
