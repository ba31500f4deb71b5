"""Forms of one's own notifications. What they may say is the services' business."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.text import Truncator

from incidents.web.maintenance_forms import WallTimeField
from notifications.models import ContactMethod, NotificationRule, PagingPreferences
from notifications.models.preferences import MAX_ADDRESS_LENGTH, Channel
from notifications.quiet import known_zone
from notifications.selectors import contact_methods_of
from notifications.services.paging_preferences import PreferenceValues
from notifications.services.preferences import MAX_DELAY_MINUTES, addable_channels
from opsknight.models import User
from opsknight.wall_clock import first_instant, last_instant

Urgency = NotificationRule.Urgency
# Which lists a new address goes into.
USES = {
    "both": (Urgency.HIGH, Urgency.OTHER),
    "high": (Urgency.HIGH,),
    "other": (Urgency.OTHER,),
    "": (),
}
WEEKDAYS = [(0, "Mon"), (1, "Tue"), (2, "Wed"), (3, "Thu"), (4, "Fri"), (5, "Sat"), (6, "Sun")]


class DelayField(forms.IntegerField):
    """Minutes from a page on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=MAX_DELAY_MINUTES, initial=0, **kwargs)


class ContactMethodForm(forms.Form):
    """A new address, and the lists that it goes into."""

    channel = forms.ChoiceField(label="Kind")
    address = forms.CharField(
        max_length=MAX_ADDRESS_LENGTH,
        label="Address",
        help_text="An e-mail address, a number with its country such as +49 151 23456789, or the "
        "https:// address of a webhook.",
    )
    label = forms.CharField(max_length=100, required=False, help_text="For you, such as “private”.")
    use = forms.ChoiceField(
        choices=[
            ("both", "Every incident"),
            ("high", "High urgency"),
            ("other", "Medium and low urgency"),
            ("", "Nothing yet"),
        ],
        required=False,
        initial="both",
        label="Use it for",
    )
    delay_minutes = DelayField(
        required=False, label="Minutes after a page", help_text="0: at once."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        channel: Any = self.fields["channel"]
        channel.choices = [(c.value, c.label) for c in addable_channels()]


class MethodChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One of the person's own contact methods, with its address."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.get_channel_display()}: {name_of(obj)}"


class RuleForm(forms.Form):
    """A new rule of one of the lists."""

    contact_method = MethodChoice(
        queryset=ContactMethod.objects.none(), empty_label=None, label="Use"
    )
    urgency = forms.ChoiceField(choices=Urgency.choices, widget=forms.HiddenInput)
    delay_minutes = DelayField(label="Minutes after a page")

    def __init__(self, user: User, urgency: str, data: Any = None) -> None:
        super().__init__(data, initial={"urgency": urgency}, auto_id=f"{urgency}_rule_%s")
        field: Any = self.fields["contact_method"]
        field.queryset = contact_methods_of(user)


class DelayForm(forms.Form):
    """Another place of a rule in its list."""

    delay_minutes = DelayField()


class CodeForm(forms.Form):
    """The code that was sent to an address."""

    code = forms.CharField(max_length=20)


class QuietForm(forms.Form):
    """When less urgent pages wait."""

    quiet_up_to = forms.ChoiceField(
        choices=PagingPreferences.Quiet.choices, required=False, label="What waits"
    )
    quiet_from = forms.TimeField(
        required=False, label="From", widget=forms.TimeInput({"type": "time"}, "%H:%M")
    )
    quiet_until = forms.TimeField(
        required=False, label="Until", widget=forms.TimeInput({"type": "time"}, "%H:%M")
    )
    quiet_weekdays = forms.TypedMultipleChoiceField(
        choices=WEEKDAYS,
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Beginning on",
        help_text="None: every day.",
    )

    def __init__(self, chosen: PagingPreferences, data: Any = None) -> None:
        names = ("quiet_up_to", "quiet_from", "quiet_until", "quiet_weekdays")
        initial = {name: getattr(chosen, name) for name in names}
        super().__init__(data, initial=initial, auto_id="quiet_%s")

    def values(self) -> PreferenceValues:
        """What is to be set."""
        data = self.cleaned_data
        return {
            "quiet_up_to": data["quiet_up_to"],
            "quiet_from": data["quiet_from"],
            "quiet_until": data["quiet_until"],
            "quiet_weekdays": data["quiet_weekdays"],
        }


class DigestForm(forms.Form):
    """How low urgency comes."""

    digest = forms.ChoiceField(
        choices=PagingPreferences.Digest.choices, required=False, label="Low urgency comes"
    )
    digest_at = forms.TimeField(
        required=False,
        label="At",
        widget=forms.TimeInput({"type": "time"}, "%H:%M"),
        help_text="Of a daily digest.",
    )

    def __init__(self, chosen: PagingPreferences, data: Any = None) -> None:
        initial = {"digest": chosen.digest, "digest_at": chosen.digest_at}
        super().__init__(data, initial=initial, auto_id="digest_%s")

    def values(self) -> PreferenceValues:
        """What is to be set."""
        data = self.cleaned_data
        return {"digest": data["digest"], "digest_at": data["digest_at"]}


class AbsenceForm(forms.Form):
    """A time in which somebody else is paged."""

    begins_at = WallTimeField(label="From")
    ends_at = WallTimeField(label="Until")
    substitute = forms.ModelChoiceField(
        queryset=User.objects.none(), label="Who is paged in your place", empty_label="Choose"
    )
    note = forms.CharField(max_length=200, required=False, help_text="The substitute reads it.")

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data, auto_id="absence_%s")
        self.zone = known_zone(user.time_zone)
        field: Any = self.fields["substitute"]
        people = User.objects.filter(status=User.Status.ACTIVE).exclude(pk=user.pk)
        field.queryset = people.order_by("name", "pk")

    def times(self) -> tuple[datetime, datetime]:
        """From when until when, by the clock of the person's zone."""
        data = self.cleaned_data
        begins_at = first_instant(data["begins_at"], self.zone)
        return begins_at, last_instant(data["ends_at"], self.zone)


def name_of(method: ContactMethod) -> str:
    """How a person recognises an address of theirs."""
    if method.channel == Channel.PUSH:  # its address says nothing to anybody
        return method.label or "Browser"
    address = Truncator(method.address).chars(60)
    return f"{method.label} ({address})" if method.label else address
