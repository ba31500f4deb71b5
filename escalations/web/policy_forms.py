"""The form of a policy beside its steps; the admin's own is `escalations.policy_forms`."""

from collections.abc import Mapping
from typing import Any

from django import forms

from escalations.models import EscalationPolicy
from escalations.models.policy import WEEK_MINUTES
from escalations.services.policies import PolicyValues
from escalations.services.policy_steps import TargetInput
from escalations.web.fields import active_people
from escalations.web.target_names import read_target
from opsknight.models import Team, User
from opsknight.web.forms import TimeZoneField

MAX_REPEATS = 100
MINUTES = {
    "min_value": f"Use 1 to {WEEK_MINUTES} minutes, which is a week.",
    "max_value": f"Use 1 to {WEEK_MINUTES} minutes, which is a week.",
    "invalid": "Write a number of minutes, such as 30.",
}
REPEATS = {
    "min_value": f"Repeat 0 to {MAX_REPEATS} times.",
    "max_value": f"Repeat 0 to {MAX_REPEATS} times.",
    "invalid": "Write a number, such as 2.",
    "required": "Write a number; 0 repeats nothing.",
}


def minutes_field(label: str, help_text: str, **kwargs: Any) -> forms.IntegerField:
    """Minutes up to a week."""
    errors = MINUTES | {"required": "Write a number of minutes, such as 5."}
    return forms.IntegerField(
        label=label,
        min_value=1,
        max_value=WEEK_MINUTES,
        help_text=help_text,
        error_messages=errors,
        **kwargs,
    )


class PolicyForm(forms.Form):
    """Everything about a policy but its steps."""

    use_required_attribute = False  # half-written steps can be moved and removed

    name = forms.CharField(max_length=200, error_messages={"required": "Give it a name."})
    description = forms.CharField(
        required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 2})
    )
    time_zone = TimeZoneField(label="Time zone")
    time_zone.help_text = "The clock of the steps' time windows."
    repeat_times = forms.IntegerField(
        label="Repeat all steps",
        min_value=0,
        max_value=MAX_REPEATS,
        initial=2,
        help_text="Times. 0: never.",
        error_messages=REPEATS,
    )
    repeat_after_minutes = minutes_field("Wait before each", "Minutes after the last step.")
    fallback = forms.ChoiceField(
        label="Final fallback",
        required=False,
        help_text="Paged when the steps reached nobody, and when nobody answered after the last "
        "round. Without one, the service's team and then the administrators are paged, but only "
        "when the steps reached nobody.",
        error_messages={"invalid_choice": "This cannot be paged. Choose somebody else."},
    )
    ack_timeout_minutes = minutes_field(
        "Acknowledgement times out",
        "Minutes without a resolve, then step 1 pages again. Empty: never.",
        required=False,
    )
    resolve_after_minutes = minutes_field(
        "Resolves by itself",
        "Minutes after everything was tried and nobody acknowledged. Empty: never.",
        required=False,
    )
    is_multi_ack = forms.BooleanField(
        required=False,
        label="Everybody acknowledges: whoever was paged is paged on until they do so themselves",
    )

    def __init__(self, *, stored: EscalationPolicy | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._people = {user.pk: user for user in active_people()}
        if stored is not None and stored.fallback_user is not None:
            self._people.setdefault(stored.fallback_user.pk, stored.fallback_user)
        self._teams = {team.pk: team for team in Team.objects.order_by("name")}
        self.fields["fallback"].choices = [  # type: ignore[attr-defined]
            ("", "Nobody"),
            ("Teams", [(f"team-{pk}", str(team)) for pk, team in self._teams.items()]),
            ("People", [(f"user-{pk}", _named(user)) for pk, user in self._people.items()]),
        ]

    def values(self) -> PolicyValues:
        """What the service takes, of a form without errors."""
        data = self.cleaned_data
        fallback = read_target(data["fallback"]) or TargetInput("user", 0)
        return {
            "name": data["name"],
            "description": data["description"],
            "repeat_times": data["repeat_times"],
            "repeat_after_minutes": data["repeat_after_minutes"],
            "fallback_user": self._people.get(fallback.id) if fallback.kind == "user" else None,
            "fallback_team": self._teams.get(fallback.id) if fallback.kind == "team" else None,
            "ack_timeout_minutes": data["ack_timeout_minutes"],
            "resolve_after_minutes": data["resolve_after_minutes"],
            "is_multi_ack": data["is_multi_ack"],
            "time_zone": data["time_zone"],
        }


def _named(user: User) -> str:
    return str(user) if user.is_active else f"{user} (not active)"


def initial_of(policy: EscalationPolicy) -> Mapping[str, Any]:
    """The fields of a stored policy."""
    names = set(PolicyForm.base_fields) - {"fallback"}
    fallback = ""
    if policy.fallback_user_id is not None:
        fallback = f"user-{policy.fallback_user_id}"
    elif policy.fallback_team_id is not None:
        fallback = f"team-{policy.fallback_team_id}"
    return {name: getattr(policy, name) for name in names} | {"fallback": fallback}


def initial_of_new(zone: str) -> Mapping[str, Any]:
    """What a new policy begins with."""
    return {"time_zone": zone, "repeat_times": 2, "repeat_after_minutes": 5}
