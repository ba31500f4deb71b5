"""Forms of policies in the admin: what they refuse says what to do instead."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet

from escalations.admin_forms import NumberedForm, check_pageable
from escalations.models import EscalationPolicy, PolicyStep, StepTarget
from escalations.models.schedule import weekday_bits, weekdays_in
from escalations.windows import DAYS
from opsknight.errors import OpsKnightError
from opsknight.models import User
from opsknight.services.versions import lock_version

TARGETS = ("user", "team", "schedule", "destination")
WINDOW = ("window_weekdays", "window_starts", "window_ends")
CONDITION = ("condition_alerts", "condition_minutes")


class WeekdaysField(forms.MultipleChoiceField):
    """Days of the week as boxes to tick; stored as bits, 1 is Monday."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(str(n), day) for n, day in enumerate(DAYS)], **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """The ticked boxes of stored bits."""
        return [str(day) for day in sorted(weekdays_in(value))] if isinstance(value, int) else value

    def clean(self, value: Any) -> int:
        """The bits of the ticked boxes."""
        days: Iterable[str] = super().clean(value)
        return weekday_bits({int(day) for day in days})

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether other boxes are ticked."""
        return super().has_changed(self.prepare_value(initial or 0), data)


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A policy. Whoever saves an older version than the stored one is told who saved that."""

    edited_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = EscalationPolicy
        fields = (
            "name",
            "description",
            "repeat_times",
            "repeat_after_minutes",
            "fallback_user",
            "fallback_team",
            "ack_timeout_minutes",
            "resolve_after_minutes",
            "is_multi_ack",
            "time_zone",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["edited_version"].initial = self.instance.version

    def has_changed(self) -> bool:
        """The version is no change."""
        return bool(set(self.changed_data) - {"edited_version"})

    def clean_fallback_user(self) -> User | None:
        """Newly named people must be pageable."""
        user: User | None = self.cleaned_data.get("fallback_user")
        if user is not None and "fallback_user" in self.changed_data:
            check_pageable(user)
        return user

    def clean(self) -> dict[str, Any]:
        """Refuse what somebody else has saved meanwhile; the admin's view holds a transaction."""
        values = super().clean() or {}
        expected = values.get("edited_version")
        if self.instance.pk is not None and expected is not None:
            stored = EscalationPolicy(pk=self.instance.pk)
            try:
                lock_version(entity=stored, expected=expected)
            except OpsKnightError as error:
                raise ValidationError(error.message) from error
        return values


class StepForm(NumberedForm):
    """One step of a policy."""

    window_weekdays = WeekdaysField(
        required=False, label="only on", help_text="The days on which the hours below begin."
    )

    class Meta:
        model = PolicyStep
        fields = (
            "position",
            "delay_minutes",
            "urgency",
            "is_round_robin",
            "window_weekdays",
            "window_starts",
            "window_ends",
            "condition_alerts",
            "condition_minutes",
        )

    def clean(self) -> dict[str, Any]:
        """Refuse half a time window and half a condition, at the fields that are missing."""
        values = super().clean() or {}
        self._require_all(WINDOW, "A time window needs days, a start and an end.")
        self._require_all(CONDITION, "A condition needs a number of alerts and of minutes.")
        return values

    def _require_all(self, names: Iterable[str], message: str) -> None:
        missing = [name for name in names if self.cleaned_data.get(name) in (None, 0)]
        if len(missing) == len(tuple(names)):
            return
        for name in missing:
            if name not in self.errors:
                self.add_error(name, message)


class TargetForm(forms.ModelForm):  # type: ignore[type-arg]
    """Whom a step pages: exactly one of user, team, schedule and destination."""

    class Meta:
        model = StepTarget
        fields = ("user", "team", "leads_only", "schedule", "destination")

    def clean_user(self) -> User | None:
        """Newly named people must be pageable."""
        user: User | None = self.cleaned_data.get("user")
        if user is not None and "user" in self.changed_data:
            check_pageable(user)
        return user


class TargetFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """The targets of one step."""

    def clean(self) -> None:
        """Refuse the same target twice: the database would, without saying why."""
        super().clean()
        seen = set()
        for form in self.forms:
            values = getattr(form, "cleaned_data", {})
            if not values or values.get("DELETE"):
                continue
            target = tuple(values.get(name) for name in TARGETS)
            if target in seen and any(target):
                form.add_error(None, "This step names that target already. Remove one of them.")
            seen.add(target)
