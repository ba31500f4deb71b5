"""Forms of maintenance windows. What a window may be is decided by `services.maintenance`."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from incidents.models import MaintenanceWindow
from incidents.services.maintenance import WindowValues
from opsknight.wall_clock import LAST_YEAR, first_instant, last_instant
from opsknight.web.forms import TimeZoneField

REASON_LENGTH = 200
MAX_MINUTES = 90 * 24 * 60
MINUTES = (30, 60, 120)  # as buttons


class StartForm(forms.Form):
    """Maintenance from now on."""

    reason = forms.CharField(
        max_length=REASON_LENGTH, help_text="It stands on the timeline of every alert meanwhile."
    )
    minutes = forms.IntegerField(min_value=1, max_value=MAX_MINUTES, initial=MINUTES[1])


class WallTimeField(forms.CharField):
    """A date and time as the clock on the wall of some zone shows it; naive."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            wall = datetime.fromisoformat(text)
        except ValueError as error:
            message = "Write date and time as 2026-03-02 14:00."
            raise forms.ValidationError(message) from error
        if wall.tzinfo is not None or not 1970 <= wall.year <= 2199:
            raise forms.ValidationError("Write it without a zone, in a year from 1970 to 2199.")
        return wall


class WindowForm(forms.Form):
    """A window planned ahead, once or again and again."""

    reason = forms.CharField(
        max_length=REASON_LENGTH, help_text="It stands on the timeline of every alert meanwhile."
    )
    starts_at = WallTimeField(label="Starts")
    ends_at = WallTimeField(label="Ends")
    time_zone = TimeZoneField(label="Time zone")
    time_zone.help_text = "Start and end are by its clock."
    repeat = forms.ChoiceField(
        label="Repeats",
        choices=MaintenanceWindow.Repeat.choices,
        help_text=(
            "At the same time of day, also when the clocks change. Monthly on the 29th to 31st "
            "means the last day of a shorter month."
        ),
    )
    repeat_until = forms.DateField(
        label="Repeats until",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="The last day on which it may start. Empty: until somebody ends it.",
        validators=[
            MaxValueValidator(date(LAST_YEAR, 12, 31), f"Use a year up to {LAST_YEAR}."),
            MinValueValidator(date(1970, 1, 1), "This is in the past."),
        ],
    )

    @classmethod
    def starting_soon(cls, zone: str) -> "WindowForm":
        """An empty form that proposes the next full hour."""
        now = timezone.localtime().replace(minute=0, second=0, microsecond=0, tzinfo=None)
        hours = {"starts_at": now + timedelta(hours=1), "ends_at": now + timedelta(hours=2)}
        return cls(initial=hours | {"time_zone": zone})

    def values(self) -> WindowValues:
        """The checked values; of a wall time that occurs twice, the longer window."""
        data = self.cleaned_data
        zone, until = data["time_zone"], data["repeat_until"]
        last = last_instant(datetime.combine(until, time(23, 59)), zone) if until else None
        return {
            "reason": data["reason"],
            "starts_at": first_instant(data["starts_at"], zone),
            "ends_at": last_instant(data["ends_at"], zone),
            "repeat": data["repeat"],
            "time_zone": zone,
            "repeat_until": last,
        }
