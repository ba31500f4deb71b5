"""The form of a subscription: who follows what."""

from typing import Any

from django import forms

from incidents.models import Service
from incidents.web.rule_forms import code_area
from notifications.event_selectors import (
    changeable_destinations,
    followable_services,
    followable_teams,
)
from notifications.events import LABELS
from notifications.models import Destination
from opsknight.models import Team, User

PLACEHOLDER = '{"text": {{ event.message|tojson }}}'


class SubscriptionForm(forms.Form):
    """What can be changed of a subscription."""

    events = forms.MultipleChoiceField(
        choices=list(LABELS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all of them, also those to come.",
    )
    template = forms.CharField(
        required=False,
        strip=False,
        max_length=2000,
        widget=code_area(6, PLACEHOLDER),
        label="Body of a webhook",
        help_text="A template that makes JSON, with event, incident and destination as in our own "
        "body. Empty: our own.",
    )
    enabled = forms.BooleanField(required=False, initial=True, label="In use")


class NewSubscriptionForm(SubscriptionForm):
    """A new one, with whom and what as well."""

    destination = forms.ModelChoiceField(queryset=Destination.objects.none())
    service = forms.ModelChoiceField(
        queryset=Service.objects.none(), required=False, empty_label="None: choose a team"
    )
    team = forms.ModelChoiceField(
        queryset=Team.objects.none(),
        required=False,
        empty_label="None: choose a service",
        help_text="All services of the team, also those to come.",
    )
    field_order = ("destination", "service", "team", "events", "template", "enabled")

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: Any = self.fields
        fields["destination"].queryset = changeable_destinations(user)
        fields["service"].queryset = followable_services(user)
        fields["team"].queryset = followable_teams(user)
