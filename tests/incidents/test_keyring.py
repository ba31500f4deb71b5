"""Keys that nobody has: what asking for them costs."""

import asyncio

import pytest
from django.db import connection, transaction

from incidents.intake import keyring as keyrings
from incidents.intake.key_owner import KeyOwner
from incidents.intake.keyring import Keyring
from incidents.models import Integration
from tests.incidents.doors import integration
from tests.processes import wait_until

__all__ = ["integration"]


def test_a_flood_of_invented_keys_leaves_no_queue_behind(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyrings, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(keyrings, "KNOWN_SECONDS", 0.0)
    monkeypatch.setattr(keyrings, "MAX_ASKED", 20, raising=False)
    keyring = Keyring()

    async def flood() -> KeyOwner | None:
        strangers = (keyring.find(f"{n:032x}") for n in range(200))
        answers = await asyncio.gather(*strangers, return_exceptions=True)
        assert {type(answer) for answer in answers} == {TimeoutError}
        return await keyring.find(integration.key)

    known = asyncio.run(keyring.find(integration.key))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE incidents_integration IN ACCESS EXCLUSIVE MODE")
        still_known = asyncio.run(flood())
        asked = len(keyring._asked)

    assert known is not None
    assert still_known == known
    assert asked <= 20
    wait_until(lambda: not keyring._asked, 10, "all questions are answered")
