"""What is deleted while an incident begins to use it."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection

from escalations.models import EscalationPolicy, EscalationRun
from escalations.services.policies import delete_policy
from opsknight.errors import Conflict
from opsknight.models import AuditEntry, User
from tests.escalations.walk import policy_of
from tests.factories import IncidentFactory
from tests.realtime.conftest import test_database_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob(transactional_db: None) -> User:
    return User.objects.create_user("bob@example.com", name="Bob", status="active")


def test_policy_that_an_incident_begins_to_use_is_kept_and_the_deleter_is_told(bob: User) -> None:
    policy = policy_of((0, [bob]), name="Payments first")
    run = EscalationRun.objects.create(incident=IncidentFactory(), steps=[])
    has_begun = []

    def begin_before_the_deletion(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        """Another worker starts a run just before the row goes."""
        if sql.startswith('DELETE FROM "escalations_escalationpolicy"') and not has_begun:
            with psycopg.connect(test_database_url(), autocommit=True) as other:
                other.execute(
                    "UPDATE escalations_escalationrun SET policy_id = %s WHERE id = %s",
                    (policy.pk, run.pk),
                )
            has_begun.append(True)
        return execute(sql, params, many, context)

    with (
        connection.execute_wrapper(begin_before_the_deletion),
        pytest.raises(Conflict, match="Payments first came into use just now"),
    ):
        delete_policy(policy=EscalationPolicy.objects.get(pk=policy.pk), actor=bob)

    assert has_begun
    assert EscalationPolicy.objects.filter(pk=policy.pk).exists()
    assert not AuditEntry.objects.filter(action="escalation_policy.deleted").exists()
