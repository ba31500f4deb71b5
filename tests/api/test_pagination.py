"""Pages by cursor."""

from typing import Any

import pytest
from django.test import Client

from tests.api.asking import Asker
from tests.factories import IncidentFactory, ServiceFactory


def follow(asker: Asker, path: str, **query: Any) -> list[list[int]]:
    """The ids on each page, from the first to the last."""
    pages = []
    page = asker.get(path, **query).json()
    while True:
        pages.append([row["id"] for row in page["results"]])
        if page["next"] is None:
            return pages
        page = Client().get(page["next"], **asker.headers).json()


def test_every_row_comes_once_newest_first(bob: Asker) -> None:
    ids = [incident.pk for incident in IncidentFactory.create_batch(7)]

    pages = follow(bob, "incidents", limit=3)

    assert pages == [ids[6:3:-1], ids[3:0:-1], ids[:1]]


def test_previous_goes_back(bob: Asker) -> None:
    ServiceFactory.create_batch(4)
    first = bob.get("services", limit=2).json()
    second = Client().get(first["next"], **bob.headers).json()

    back = Client().get(second["previous"], **bob.headers).json()

    assert first["previous"] is None
    assert back["results"] == first["results"]


def test_rows_added_meanwhile_do_not_move_the_next_page(bob: Asker) -> None:
    ids = [incident.pk for incident in IncidentFactory.create_batch(4)]
    first = bob.get("incidents", limit=2).json()
    IncidentFactory.create_batch(3)

    second = Client().get(first["next"], **bob.headers).json()

    assert [row["id"] for row in second["results"]] == [ids[1], ids[0]]


def test_filters_stay_on_the_next_page(bob: Asker) -> None:
    IncidentFactory.create_batch(3, urgency="low")
    IncidentFactory.create_batch(3, urgency="high")

    pages = follow(bob, "incidents", limit=2, urgency="low")

    assert [len(page) for page in pages] == [2, 1]


@pytest.mark.parametrize(("limit", "length"), [(None, 50), (200, 200), (5000, 200)])
def test_limit_is_at_most_200(bob: Asker, limit: int | None, length: int) -> None:
    service = ServiceFactory()
    IncidentFactory.create_batch(201, service=service)

    response = bob.get("incidents", **({} if limit is None else {"limit": limit}))

    assert len(response.json()["results"]) == length
