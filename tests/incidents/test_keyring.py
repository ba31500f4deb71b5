"""Keys: what is believed of them while the database is away, and what strangers' guesses cost."""

import asyncio
from pathlib import Path

import pytest
from django.db import connection, transaction

from incidents.intake import keyring as keyrings
from incidents.intake.key_memory import KeyMemory
from incidents.intake.key_owner import KeyOwner
from incidents.intake.keyring import Keyring, owner_of
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


def test_a_key_that_is_known_to_be_gone_is_not_believed_from_the_memory(
    integration: Integration, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(keyrings, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(keyrings, "UNKNOWN_SECONDS", 0.0)
    memory = KeyMemory(tmp_path)
    memory.save({integration.key: owner_of(integration)})
    keyring = Keyring(memory)
    Integration.objects.filter(pk=integration.pk).update(key="0" * 32)

    gone = asyncio.run(keyring.find(integration.key))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE incidents_integration IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TimeoutError):
            asyncio.run(keyring.find(integration.key))

    assert gone is None
    wait_until(lambda: not keyring._asked, 10, "all questions are answered")


def test_what_could_not_be_saved_is_saved_the_next_time(
    integration: Integration, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    keyring = Keyring(KeyMemory(folder))
    asyncio.run(keyring.find(integration.key))
    folder.write_text("in the way")
    with pytest.raises(FileExistsError):
        keyring.save()

    folder.unlink()
    keyring.save()

    assert KeyMemory(folder).find(integration.key) == owner_of(integration)
