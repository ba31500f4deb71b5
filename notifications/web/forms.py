"""Forms of one's own contact methods and rules, and of destinations."""

from typing import Any

from django import forms
from django.utils.text import Truncator

from notifications.channels import CHANNELS
from notifications.models import ContactMethod, Destination
from notifications.models.preferences import MAX_ADDRESS_LENGTH, PLACE_CHANNELS, Channel
from notifications.selectors import contact_methods_of, teams_run_by
from notifications.services.preferences import MAX_DELAY_MINUTES
from opsknight.models import Team, User


class ContactMethodForm(forms.Form):
    """A new address. What an address must look like is the service's business."""

    channel = forms.ChoiceField(
        choices=[(c.value, c.label) for c in (Channel.EMAIL, Channel.WEBHOOK)],
        label="Kind",
    )
    address = forms.CharField(
        max_length=500,
        label="Address",
        help_text="An e-mail address, or the https:// address of a webhook.",
    )
    label = forms.CharField(max_length=100, required=False, help_text="For you, such as “private”.")
    delay_minutes = forms.IntegerField(
        min_value=0,
        max_value=MAX_DELAY_MINUTES,
        required=False,
        initial=0,
        label="Use it so many minutes after a page",
        help_text="0: at once. Empty: not until you add a rule.",
    )


class MethodChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One of the person's own contact methods, with its address."""

    def label_from_instance(self, obj: Any) -> str:
        return name_of(obj)


class RuleForm(forms.Form):
    """A new rule."""

    contact_method = MethodChoice(
        queryset=ContactMethod.objects.none(), empty_label=None, label="Use"
    )
    delay_minutes = forms.IntegerField(
        min_value=0,
        max_value=MAX_DELAY_MINUTES,
        initial=0,
        label="Minutes after a page",
        help_text="Unless somebody acknowledged by then. 0: at once.",
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["contact_method"]
        field.queryset = contact_methods_of(user)


def name_of(method: ContactMethod) -> str:
    """How a person recognises an address of theirs."""
    address = Truncator(method.address).chars(60)
    return f"{method.label} ({address})" if method.label else address


class DestinationForm(forms.Form):
    """A destination. What an address must look like is the service's business."""

    name = forms.CharField(max_length=200, help_text="As steps of policies name it.")
    team = forms.ModelChoiceField(
        queryset=Team.objects.none(),
        required=False,
        empty_label="None: of the whole installation",
        help_text="Who leads it may change the destination, too.",
    )
    channel = forms.ChoiceField(
        choices=[(c.value, c.label) for c in PLACE_CHANNELS if c in CHANNELS], label="Kind"
    )
    address = forms.CharField(
        max_length=MAX_ADDRESS_LENGTH,
        help_text="The https:// address of a webhook, an e-mail address, or the id of a channel in "
        "Slack.",
        widget=forms.TextInput(attrs={"list": "slack-channels"}),
    )

    def __init__(self, user: User, destination: Destination | None, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        team: Any = self.fields["team"]
        team.queryset = teams_run_by(user).order_by("name")
        if not user.is_admin:
            team.required, team.empty_label = True, None
        if destination is not None:
            del self.fields["channel"]
