"""Filters of the incident list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import BigIntegerField, Q, QuerySet
from django.utils.dateparse import parse_datetime
from django_filters.fields import MultipleChoiceField
from rest_framework.request import Request

from incidents.models import Incident

OPEN = "open"
STATUSES = [*Incident.Status.choices, (OPEN, "Not resolved")]
MAX_QUERY_LENGTH = 200


class WordsField(MultipleChoiceField):  # type: ignore[misc]
    """Several of a few words: `?status=a&status=b` or `?status=a,b`."""

    def to_python(self, value: Any) -> list[str]:
        """The words, apart."""
        return [word.strip() for text in value or [] for word in str(text).split(",") if word]

    def validate(self, value: Sequence[str]) -> None:
        """Refuse a word that is none of the choices, and say which there are."""
        known = [str(key) for key, _ in self.choices if key]
        for word in value:
            if word not in known:
                raise ValidationError(f"“{word}” is none of {', '.join(known)}.")


class WordsFilter(django_filters.MultipleChoiceFilter):  # type: ignore[misc]
    field_class = WordsField


class IdField(forms.IntegerField):
    """An id; a number too large to be one finds nothing."""

    def __init__(self, **kwargs: Any) -> None:
        texts = {"invalid": "Use an id, a whole number."}
        super().__init__(
            max_value=BigIntegerField.MAX_BIGINT, min_value=1, error_messages=texts, **kwargs
        )


class IdFilter(django_filters.Filter):  # type: ignore[misc]
    field_class = IdField


class InstantField(forms.CharField):
    """An ISO 8601 instant; without a zone it is read as UTC."""

    def clean(self, value: Any) -> datetime | None:
        """The instant; raises ValidationError."""
        text = super().clean(value)
        if not text:
            return None
        # "+02:00" arrives as " 02:00" when the plus was not escaped.
        text = re.sub(r" (?=\d\d:?\d\d$)", "+", text) if "T" in text else text
        try:
            moment = parse_datetime(text)
        except ValueError:
            moment = None
        if moment is None:
            raise ValidationError("Use an ISO 8601 time such as 2026-11-23T12:00:00Z.")
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class InstantFilter(django_filters.Filter):  # type: ignore[misc]
    field_class = InstantField


class AssigneeField(forms.CharField):
    """An id, `me`, or `none`."""

    def clean(self, value: Any) -> str:
        """The text; raises ValidationError for anything else."""
        text: str = super().clean(value)
        if text and text not in ("me", "none") and not re.fullmatch("[0-9]{1,18}", text):
            raise ValidationError("Use the id of a user, “me” or “none”.")
        return text


class AssigneeFilter(django_filters.CharFilter):  # type: ignore[misc]
    field_class = AssigneeField


class IncidentFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What a list of incidents can be narrowed to."""

    status = WordsFilter(
        choices=STATUSES,
        method="by_status",
        help_text="One or more; `open` is everything that is not resolved.",
    )
    urgency = WordsFilter(choices=Incident.Urgency.choices, help_text="One or more.")
    service = IdFilter(help_text="Id of the service.")
    team = IdFilter(method="by_team", help_text="Id of the service's or the assigned team.")
    assignee = AssigneeFilter(method="by_assignee", help_text="Id of a user, `me` or `none`.")
    since = InstantFilter("created_at", "gte", help_text="Opened at this time or later.")
    until = InstantFilter("created_at", "lt", help_text="Opened before this time.")
    q = django_filters.CharFilter(
        method="by_text",
        max_length=MAX_QUERY_LENGTH,
        help_text="A part of the title or description, or the number of the incident.",
    )

    request: Request

    class Meta:
        model = Incident
        fields: tuple[str, ...] = ()

    def by_status(
        self, rows: QuerySet[Incident], name: str, words: Sequence[str]
    ) -> QuerySet[Incident]:
        """Incidents in one of the statuses."""
        if not words:
            return rows
        wanted = Q(status__in=[word for word in words if word != OPEN])
        # Written as the index on open incidents has it.
        return rows.filter(wanted | ~Q(status="resolved") if OPEN in words else wanted)

    def by_team(self, rows: QuerySet[Incident], name: str, pk: int) -> QuerySet[Incident]:
        """Incidents of the team's services, and those given to the team."""
        return rows.filter(Q(service__team_id=pk) | Q(team_id=pk))

    def by_assignee(self, rows: QuerySet[Incident], name: str, who: str) -> QuerySet[Incident]:
        """Incidents that one person works on, or nobody."""
        match who:
            case "me":
                return rows.filter(assignee_id=self.request.user.pk)
            case "none":
                return rows.filter(assignee=None, team=None)
            case _:
                return rows.filter(assignee_id=int(who))

    def by_text(self, rows: QuerySet[Incident], name: str, text: str) -> QuerySet[Incident]:
        """Incidents that mention the text."""
        found = Q(title__icontains=text) | Q(description__icontains=text)
        if match := re.fullmatch("#?([0-9]{1,18})", text):
            found |= Q(pk=int(match[1]))
        return rows.filter(found)
