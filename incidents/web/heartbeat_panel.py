"""How a heartbeat is and what is expected of it: the panel on its integration's page."""

from collections.abc import Mapping
from typing import Any

from django import forms

from incidents.durations import as_written, parse_duration
from incidents.models import Heartbeat, Integration
from incidents.services.heartbeats import FIELDS, ensure_heartbeat

State = Heartbeat.State
NO_ALARM = {
    State.MUTED: "None while the integration is disabled",
    State.FAILED: "It is on; the next beat ends it",
    State.LATE: "It is on; the next beat ends it",
    State.WAITING: "None before the first beat",
    State.ON_TIME: "",
}


class DurationField(forms.CharField):
    """A length of time as people write it; its value is in seconds."""

    def prepare_value(self, value: Any) -> Any:
        """What stands in the field."""
        return as_written(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> int:
        """The seconds; raises ValidationError."""
        text = super().clean(value)
        seconds = parse_duration(text)
        if seconds is None:
            raise forms.ValidationError("Write it like 5 min, 1 h 30 min or 2 days.")
        return min(seconds, 2**31 - 1)


class HeartbeatForm(forms.Form):
    """What is expected."""

    interval_seconds = DurationField(
        label="A beat is expected every",
        max_length=50,
        help_text="Such as 5 min, 1 h or 1 day; from 60 s to 31 days.",
    )
    grace_seconds = DurationField(
        label="Grace",
        max_length=50,
        help_text="How much later it may come: as long as the job runs, and more. 0 is none.",
    )
    expects_first = forms.BooleanField(
        label="Alert also when no beat ever arrives",
        required=False,
        help_text="Otherwise the first beat starts the watch.",
    )

    @classmethod
    def of(cls, heartbeat: Heartbeat, data: Mapping[str, Any] | None = None) -> "HeartbeatForm":
        """The form of one heartbeat, with what is expected of it now."""
        return cls(data, initial={name: getattr(heartbeat, name) for name in FIELDS})


def heartbeat_panel(
    integration: Integration, form: HeartbeatForm | None = None
) -> dict[str, object]:
    """What `incidents/panels/heartbeat.html` shows; None for an integration of another kind."""
    if integration.kind != Integration.Kind.HEARTBEAT:
        return {"heartbeat": None}
    row = ensure_heartbeat(integration=integration)
    return {
        "heartbeat": {
            "row": row,
            "since": row.failed_at or row.missed_at,
            "no_alarm": NO_ALARM[row.state],
            "form": form or HeartbeatForm.of(row),
        }
    }
