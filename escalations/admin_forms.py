"""Forms and formsets of the admin: what they refuse says what to do instead."""

from typing import Any, TypeAlias

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.forms import ModelForm

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


def check_pageable(user: User) -> None:
    """Raise ValidationError for somebody who cannot be named."""
    if reason := why_not_pageable(user.pk, {user.pk: user}):
        raise ValidationError(reason)


def number_anew(rows: QuerySet[Any]) -> None:
    """Give positions 1, 2, 3 … in the order of those entered."""
    ordered: list[Model] = list(rows.order_by("position", "id"))
    for position, row in enumerate(ordered, start=1):
        row.position = position  # type: ignore[attr-defined]
    rows.model._default_manager.bulk_update(ordered, ["position"])
