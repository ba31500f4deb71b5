"""Form fields of the pages of schedules."""

from collections.abc import Iterable
from typing import Any

from django import forms

from incidents.web.maintenance_forms import WallTimeField
from opsknight.models import User


class OptionalWallTimeField(WallTimeField):
    """A date and time on the clock of some zone, or None."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def clean(self, value: Any) -> Any:
        """None for an empty field."""
        return super().clean(value) if value else None


class PersonField(forms.TypedChoiceField):
    """One of some people, by id; None where it may be empty and is."""

    def __init__(self, *, empty_label: str, **kwargs: Any) -> None:
        super().__init__(coerce=int, empty_value=None, **kwargs)
        self.empty_label = empty_label

    def offer(self, people: Iterable[User]) -> None:
        """Let these people be chosen."""
        self.choices = [("", self.empty_label), *((user.pk, str(user)) for user in people)]


def active_people() -> list[User]:
    """Everybody who can be on call, by name; 1 query."""
    return list(User.objects.filter(status=User.Status.ACTIVE).order_by("name", "pk"))
