"""Escalation policies, which live in a higher layer: reached through the foreign key alone."""

from collections.abc import Iterable

from django.db.models import Model

from incidents.models import Service


def policy_model() -> type[Model]:
    """The class behind `Service.escalation_policy`, not imported."""
    model = Service._meta.get_field("escalation_policy").related_model
    assert isinstance(model, type)  # noqa: S101 - for the type checker
    return model


def policies_by_id(ids: Iterable[int]) -> dict[int, str]:
    """The names of those policies that exist; 1 query."""
    found = policy_model()._default_manager.filter(pk__in=set(ids))
    return {policy.pk: str(policy) for policy in found}


def policy_choices() -> list[tuple[int, str]]:
    """Every policy, by name; 1 query."""
    return [(policy.pk, str(policy)) for policy in policy_model()._default_manager.order_by("name")]
