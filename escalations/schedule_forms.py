"""Forms of schedules in the admin: what they refuse says what to do instead."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from escalations.admin_forms import NumberedForm, check_pageable
from escalations.models import (
    LayerMember,
    LayerRestriction,
    Override,
    Schedule,
    ScheduleLayer,
    TemporarySchedule,
)
from escalations.oncall import MAX_LENGTH, Rotation
from escalations.policy_forms import WeekdaysField
from escalations.services.overrides import OverrideInput, add_override, change_override
from escalations.services.spans import reasons_against
from opsknight.errors import OpsKnightError
from opsknight.models import User
from opsknight.services.versions import lock_version


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A schedule. Whoever saves an older version than the stored one is told who saved that."""

    edited_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Schedule
        fields = ("name", "description", "time_zone", "team")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["edited_version"].initial = self.instance.version

    def has_changed(self) -> bool:
        """The version is no change."""
        return bool(set(self.changed_data) - {"edited_version"})

    def clean(self) -> dict[str, Any]:
        """Refuse what somebody else has saved meanwhile; the admin's view holds a transaction."""
        values = super().clean() or {}
        if self.instance.pk is not None:
            stored = Schedule(pk=self.instance.pk)
            try:
                lock_version(entity=stored, expected=values.get("edited_version"))
            except OpsKnightError as error:
                raise ValidationError(error.message) from error
        return values


class LayerForm(NumberedForm):
    """One layer of a schedule."""

    class Meta:
        model = ScheduleLayer
        fields = (
            "name",
            "position",
            "is_together",
            "rotation",
            "rotation_length",
            "shift_hours",
            "starts_at",
            "begins_at",
            "ends_at",
            "skips_inactive",
            "source",
            "calendar_url",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["source"].required = False

    def clean_source(self) -> str:
        """Without a word, people who take turns."""
        return self.cleaned_data.get("source") or ScheduleLayer.Source.ROTATION.value

    def clean(self) -> dict[str, Any]:
        """Refuse a rotation that no calendar could be made of, at the field it is about."""
        values = super().clean() or {}
        length, starts_at = values.get("rotation_length"), values.get("starts_at")
        ends_at, begins_at = values.get("ends_at"), values.get("begins_at")
        if length is not None and not 1 <= length <= MAX_LENGTH:
            self.add_error("rotation_length", f"A turn lasts 1 to {MAX_LENGTH} of its unit.")
        is_calendar = values.get("source") == ScheduleLayer.Source.CALENDAR
        if is_calendar and not values.get("calendar_url"):
            self.add_error("calendar_url", "Give the address of the calendar.")
        if starts_at is None:
            return values
        try:
            Rotation("daily", 1, starts_at)
        except ValueError as error:
            self.add_error("starts_at", f"Use another date: {error}.")
        if ends_at is not None and ends_at <= max(starts_at, begins_at or starts_at):
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


class RestrictionForm(forms.ModelForm):  # type: ignore[type-arg]
    """A time of the week in which a layer is active."""

    weekdays = WeekdaysField(required=False, help_text="The days on which it begins.")

    class Meta:
        model = LayerRestriction
        fields = ("weekdays", "starts", "ends")


class OverrideForm(forms.ModelForm):  # type: ignore[type-arg]
    """Somebody comes, goes, or takes somebody's place: refused as everywhere, at the field."""

    actor: User

    class Meta:
        model = Override
        fields = ("schedule", "kind", "user", "replaces", "starts_at", "ends_at", "note")

    def clean(self) -> dict[str, Any]:
        """Try it out, and take it back."""
        values = super().clean() or {}
        if not self.errors:
            rehearse(self, lambda: self.act(timezone.now()))
        return values

    def act(self, now: datetime) -> Override:
        """Make or change the override as entered; raises InvalidInput or Conflict."""
        values = self.cleaned_data
        wanted = OverrideInput(
            kind=values["kind"],
            user_id=_pk_of(values.get("user")),
            replaces_id=_pk_of(values.get("replaces")),
            starts_at=values["starts_at"],
            ends_at=values["ends_at"],
            note=values.get("note") or "",
        )
        if self.instance.pk is None:
            return add_override(
                schedule=values["schedule"], wanted=wanted, actor=self.actor, now=now
            )
        stored = Override.objects.select_related("schedule").get(pk=self.instance.pk)
        return change_override(override=stored, wanted=wanted, actor=self.actor, now=now)

    def _get_validation_exclusions(self) -> set[str]:
        # Constraints are the service's to explain: it names the override that is in the way.
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded | {"user", "replaces", "starts_at", "ends_at", "schedule", "kind"}


class TemporaryForm(forms.ModelForm):  # type: ignore[type-arg]
    """A temporary schedule; what is over cannot be made or moved."""

    class Meta:
        model = TemporarySchedule
        fields = ("schedule", "name", "starts_at", "ends_at")

    def clean(self) -> dict[str, Any]:
        """Refuse a span that is empty or over."""
        values = super().clean() or {}
        starts_at, ends_at = values.get("starts_at"), values.get("ends_at")
        if starts_at is not None and ends_at is not None and self.has_changed():
            reasons = reasons_against(starts_at, ends_at, now=timezone.now())
            for name, texts in reasons.items():
                self.add_error(name, texts)
        return values


def rehearse(form: forms.ModelForm, act: Callable[[], object]) -> None:  # type: ignore[type-arg]
    """Do something and take it back: what a service refuses is said at the fields of the form."""
    try:
        with transaction.atomic():
            act()
            transaction.set_rollback(True)
    except OpsKnightError as error:
        if not error.fields:
            form.add_error(None, error.message)
        for name, texts in error.fields.items():
            form.add_error(name if name in form.fields else None, texts)


def _pk_of(user: User | None) -> int | None:
    return None if user is None else user.pk
