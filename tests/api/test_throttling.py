"""How much one key may ask for."""

from typing import Any

import pytest
from django.test import Client

from tests.api.asking import Asker, code_of


@pytest.fixture(autouse=True)
def _three_a_minute(settings: Any) -> None:
    settings.API_RATE = "3/m"


def test_one_request_too_many_is_429_with_retry_after(bob: Asker) -> None:
    answers = [bob.get("services") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert code_of(answers[-1]) == "too_many_requests"
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60


def test_other_keys_go_on(bob: Asker, carol: Asker) -> None:
    for _ in range(4):
        bob.get("services")

    assert carol.get("services").status_code == 200
    assert Asker(bob.user).get("services").status_code == 200


def test_session_is_counted_by_person(bob: Asker) -> None:
    client = Client()
    client.force_login(bob.user)

    answers = [client.get("/api/v1/services").status_code for _ in range(4)]

    assert answers == [200, 200, 200, 429]


def test_without_redis_nobody_is_limited(bob: Asker, settings: Any) -> None:
    settings.CACHES = {
        "default": settings.CACHES["default"] | {"LOCATION": "unix:///nowhere/redis.sock?db=0"}
    }

    answers = [bob.get("services").status_code for _ in range(5)]

    assert answers == [200] * 5
