"""The form by which administrators let destinations follow services and teams."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from notifications.channels.webhook_body import BadTemplate, read_body_template
from notifications.events import LABELS
from notifications.models import EventSubscription
from notifications.models.preferences import Channel


class EventSubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]
    """Events by their names; what the services would refuse is said at its field."""

    events = forms.MultipleChoiceField(
        choices=list(LABELS.items()),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None chosen: all events, also those that come with later versions.",
    )

    class Meta:
        model = EventSubscription
        fields = ("destination", "service", "team", "events", "template", "enabled")

    def clean(self) -> dict[str, Any]:
        """Either a service or a team; a template only where there is a body to be written."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk is None and (values.get("service") is None) == (
            values.get("team") is None
        ):
            self.add_error("service", "Choose a service or a team, and not both.")
        place = values.get("destination") or getattr(self.instance, "destination", None)
        if values.get("template") and place is not None:
            self._check_template(values["template"], place.channel)
        return values

    def _check_template(self, template: str, channel: str) -> None:
        if channel != Channel.WEBHOOK:
            self.add_error("template", "Only webhooks have a body to be written.")
            return
        try:
            read_body_template(template)
        except BadTemplate as error:
            self.add_error("template", str(error))
