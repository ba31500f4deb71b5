"""Forms of the incident and service pages. Rules live in the services."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import QuerySet

from incidents.filters import read_id
from incidents.models import Incident, Integration, Service
from incidents.policies import policy_model
from incidents.selectors import visible_services
from incidents.services.lifecycle import MAX_NOTE_LENGTH
from opsknight.models import Team, User
from opsknight.permissions import team_ids_of

TITLE_LENGTH = 500
DESCRIPTION_LENGTH = 20_000
# What a service does about too many alerts.
TUNING = ("storm_threshold", "flapping_openings", "flapping_minutes")


def active_people() -> QuerySet[User]:
    """Who can be assigned and paged."""
    return User.objects.filter(status=User.Status.ACTIVE)


def text_area(rows: int = 3, **attributes: str) -> forms.Textarea:
    """A text area that starts small; it grows with its text."""
    return forms.Textarea(attrs={"rows": rows} | attributes)


class ResolveForm(forms.Form):
    """An optional last word."""

    note = forms.CharField(
        required=False,
        max_length=MAX_NOTE_LENGTH,
        widget=text_area(),
        help_text="What it was and what helped. It goes on the timeline.",
    )


class ReassignForm(forms.Form):
    """One person, one team, or nobody."""

    whom = forms.ChoiceField(
        label="Assign to",
        required=False,
        help_text="Whoever you choose is told. The escalation goes on until somebody acknowledges.",
    )

    @classmethod
    def of(cls, incident: Incident, data: Any = None) -> "ReassignForm":
        """The form of one incident, which starts with whom it is assigned to now."""
        now = ""
        if incident.assignee_id is not None:
            now = f"user-{incident.assignee_id}"
        elif incident.team_id is not None:
            now = f"team-{incident.team_id}"
        form = cls(data, initial={"whom": now}, auto_id="reassign_%s")
        field = form.fields["whom"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - for the type checker
        field.choices = [
            ("", "Nobody"),
            ("People", [(f"user-{u.pk}", str(u)) for u in active_people()]),
            ("Teams", [(f"team-{t.pk}", str(t)) for t in Team.objects.all()]),
        ]
        return form

    def chosen(self) -> tuple[User | None, Team | None]:
        """The chosen person or team; both None for nobody."""
        kind, _, number = self.cleaned_data["whom"].partition("-")
        pk = read_id(number) or 0
        if kind == "user":
            return User.objects.get(pk=pk), None
        if kind == "team":
            return None, Team.objects.get(pk=pk)
        return None, None

    def first_error(self) -> str:
        """What is wrong, in one sentence."""
        return str(next(iter(self.errors.values()))[0])


class IncidentForm(forms.Form):
    """An incident opened by hand."""

    service = forms.ModelChoiceField(queryset=Service.objects.none(), empty_label="Choose…")
    title = forms.CharField(
        max_length=TITLE_LENGTH, help_text="What is wrong, in one line: it is what people read."
    )
    description = forms.CharField(
        required=False, max_length=DESCRIPTION_LENGTH, widget=text_area(5)
    )
    urgency = forms.ChoiceField(choices=Incident.Urgency.choices, initial=Incident.Urgency.HIGH)
    visibility = forms.ChoiceField(
        label="Who may see it",
        choices=Incident.Visibility.choices,
        initial=Incident.Visibility.PUBLIC,
    )
    assignee = forms.ModelChoiceField(
        label="Assign to",
        queryset=User.objects.none(),
        required=False,
        empty_label="Nobody yet",
        help_text="The service's policy pages somebody either way.",
    )

    def __init__(self, user: User, data: Any, query: Mapping[str, str]) -> None:
        super().__init__(data, initial={"service": read_id(query.get("service", ""))})
        self.user = user
        self.fields["service"].queryset = visible_services(user)  # type: ignore[attr-defined]
        self.fields["assignee"].queryset = active_people()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Nobody opens an incident that they themselves could not see."""
        data = super().clean() or {}
        service, assignee = data.get("service"), data.get("assignee")
        is_private = data.get("visibility") == Incident.Visibility.PRIVATE
        if is_private and isinstance(service, Service) and assignee != self.user:
            if service.team_id is None and assignee is None:
                message = f"{service.name} has no team: assign a private incident to a person."
                self.add_error("visibility", message)
            elif service.team_id not in team_ids_of(self.user):
                message = (
                    f"You are not in the team of {service.name} and would not see it. "
                    "Assign it to yourself, or let everybody see it."
                )
                self.add_error("visibility", message)
        return data


class ServiceForm(forms.ModelForm):  # type: ignore[type-arg] # no generic at run time
    """What can be said of a service; saved by `services.catalog`."""

    class Meta:
        model = Service
        fields = ("name", "description", "team", "escalation_policy", *TUNING)
        widgets = {"description": text_area()}  # noqa: RUF012 - Django's way
        labels = {  # noqa: RUF012 - Django's way
            "storm_threshold": "Storm limit (new incidents a minute)",
            "flapping_openings": "Flapping limit (openings)",
            "flapping_minutes": "Flapping period (minutes)",
        }
        help_texts = {  # noqa: RUF012 - Django's way
            "name": "What people call it, such as Checkout API.",
            "team": "Its members see the service's private incidents and may configure it.",
            "escalation_policy": "Who is paged. Without one, nobody is.",
            "storm_threshold": (
                "So many new incidents in a minute are fine. Beyond, further alerts fold into one "
                "storm incident that pages once. 0: never fold."
            ),
            "flapping_openings": (
                "A key that opens more often than this in the minutes below is flapping: it pages "
                "once and stays open until it is quiet. 0: never."
            ),
            "flapping_minutes": "For counting the openings, and how long quiet has to last.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in TUNING:
            self.fields[name].required = False  # left empty: as it is
        policies = self.fields["escalation_policy"]
        policies.queryset = policy_model()._default_manager.all()  # type: ignore[attr-defined]
        policies.empty_label = "No policy: nobody is paged"  # type: ignore[attr-defined]
        self.fields["team"].empty_label = "No team"  # type: ignore[attr-defined]


class IntegrationForm(forms.Form):
    """A new way in."""

    kind = forms.ChoiceField(choices=Integration.Kind.choices)
    name = forms.CharField(
        max_length=200, help_text="Which monitoring system it is, such as Grafana Vienna."
    )
