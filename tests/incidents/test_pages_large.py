"""Senders that say more than anybody can read."""

import pytest
from django.urls import reverse

from incidents.models import Alert, Incident
from opsknight.models import User
from tests.incidents.cast import browser


@pytest.mark.parametrize(
    "details",
    [
        {"labels": {f"label{number}": "v" * 80 for number in range(10_000)}},
        {"text": "a.example " * 100_000},
        {"n" * 1_000_000: "long name"},
    ],
)
def test_alerts_of_a_megabyte_leave_the_page_readable(
    bob: User, outage: Incident, details: dict[str, object]
) -> None:
    Alert.objects.bulk_create(
        Alert(
            service=outage.service,
            incident=outage,
            action="trigger",
            dedup_key="flood",
            summary="Flood",
            severity="error",
            details=details,
        )
        for _ in range(20)
    )

    page = browser(bob).get(reverse("incidents:detail", args=[outage.pk]))

    assert page.status_code == 200
    assert len(page.content) < 5_000_000
