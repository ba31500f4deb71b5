"""Forms of destinations; those of one's own notifications are in `preference_forms.py`."""

from typing import Any

from django import forms

from notifications.channels import CHANNELS
from notifications.models import Destination
from notifications.models.preferences import MAX_ADDRESS_LENGTH, PLACE_CHANNELS
from notifications.selectors import teams_run_by
from opsknight.models import Team, User


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
        help_text="The https:// address of a webhook or of a chat, an e-mail address, the id of a "
        "channel in Slack, or the number of a chat in Telegram.",
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
