"""Fields and the base of serializers."""

from __future__ import annotations

from datetime import UTC
from typing import Any, ClassVar

from django.db import models
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.validators import UniqueValidator


class Text(serializers.CharField):
    """Text only: a number or `true` is refused rather than turned into its letters."""

    def to_internal_value(self, data: Any) -> str:
        """The text; raises ValidationError for another type."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Instant(serializers.DateTimeField):
    """An ISO 8601 instant, answered in UTC; one without a zone is read as UTC."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)


class Known(serializers.PrimaryKeyRelatedField[Any]):
    """The id of something that exists."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is none with the id {pk_value}.",
        "incorrect_type": "Use its id, a whole number.",
    }


class ModelSerializer(serializers.ModelSerializer[Any]):
    """Strict texts, instants in UTC. Uniqueness is left to the services, which every door uses."""

    serializer_field_mapping: ClassVar[dict[Any, Any]] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: Text,
        models.TextField: Text,
        models.DateTimeField: Instant,
    }
    serializer_related_field = Known

    def build_standard_field(
        self, field_name: str, model_field: models.Field[Any, Any]
    ) -> tuple[type[serializers.Field[Any, Any, Any, Any]], dict[str, Any]]:
        """DRF's field, without its own look for duplicates."""
        field, kwargs = super().build_standard_field(field_name, model_field)
        rules = kwargs.get("validators", [])
        kwargs["validators"] = [rule for rule in rules if not isinstance(rule, UniqueValidator)]
        return field, kwargs

    def get_validators(self) -> list[Any]:
        """None: constraints over several fields are checked by the services as well."""
        return []


class Part(serializers.Serializer[Any]):
    """One of a list that is replaced as a whole: complete also where PATCH leaves out the rest."""

    def run_validation(self, data: Any = empty) -> Any:
        """The checked values, with defaults; raises ValidationError for what is missing."""
        if not getattr(self.root, "partial", False):
            return super().run_validation(data)
        alone = type(self)(data=data, context=self.context)
        alone.is_valid(raise_exception=True)
        return alone.validated_data
