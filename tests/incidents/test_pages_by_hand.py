"""Opening an incident by hand: what is asked, what is refused, what happens then."""

from typing import Any

import pytest
from django.urls import reverse

from incidents.models import Incident, Service
from incidents.services.lifecycle import open_incident
from opsknight.models import User
from tests.incidents.cast import browser


def form_of(service: Service, **fields: Any) -> dict[str, Any]:
    return {
        "service": service.pk,
        "title": "The lift is stuck",
        "description": "",
        "urgency": "high",
        "visibility": "public",
        "assignee": "",
    } | fields


def test_incident_opened_by_hand_escalates(bob: User, checkout: Service) -> None:
    response = browser(bob).post(reverse("incidents:new"), form_of(checkout), follow=True)

    incident = Incident.objects.get()
    assert incident.escalate_at is not None
    assert response.redirect_chain[-1][0] == reverse("incidents:detail", args=[incident.pk])


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"service": "4711"}, "service"),
        ({"service": "x"}, "service"),
        ({"urgency": "extreme"}, "urgency"),
        ({"assignee": "999"}, "assignee"),
    ],
)
def test_wrong_field_is_named_and_nothing_is_opened(
    bob: User, checkout: Service, fields: dict[str, Any], name: str
) -> None:
    response = browser(bob).post(reverse("incidents:new"), form_of(checkout) | fields)

    assert response.status_code == 422
    assert name in response.context["form"].errors
    assert not Incident.objects.exists()


def test_nobody_opens_a_private_incident_that_they_would_not_see(
    bob: User, checkout: Service
) -> None:
    response = browser(bob).post(reverse("incidents:new"), form_of(checkout, visibility="private"))

    assert response.status_code == 422
    assert "would not see it" in response.content.decode()


def test_private_incident_can_be_opened_for_oneself(bob: User, checkout: Service) -> None:
    browser(bob).post(
        reverse("incidents:new"), form_of(checkout, visibility="private", assignee=bob.pk)
    )

    assert Incident.objects.get().assignee == bob


def test_open_incident_is_found_by_the_service_page(bob: User, checkout: Service) -> None:
    open_incident(service=checkout, title="Slow", actor=bob)

    text = browser(bob).get(reverse("incidents:service", args=[checkout.pk])).content.decode()

    assert "Slow" in text
