"""What came through the door, as it came."""

import os
import time
import uuid
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from incidents.models.service import Integration


def new_delivery_id() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562): ids of later deliveries are larger.

    The twelve bits behind the milliseconds are their fraction (section 6.2, method 3), so that
    two deliveries of one process within a millisecond are in order, too.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    chance = int.from_bytes(os.urandom(8), "big") >> 2
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | chance)


def first_id_at(moment: datetime) -> uuid.UUID:
    """The smallest id that a delivery of this moment can have: its time is in its id."""
    milliseconds = max(int(moment.timestamp() * 1000), 0) & (1 << 48) - 1
    return uuid.UUID(int=milliseconds << 80)


def incident_id_of(result: Any) -> int | None:
    """The incident of one of a delivery's results."""
    number = result.get("incident") if isinstance(result, dict) else None
    return number if isinstance(number, int) else None


class Delivery(models.Model):
    """One message to an integration and what became of it. Kept for a while, then pruned.

    Written in the transaction of its alerts. Its id is given before that, so that a delivery that
    waited on disk while the database was away is never stored twice.
    """

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        IGNORED = "ignored", "Ignored"  # genuine, but no alert
        INVALID = "invalid", "Not understood"
        REFUSED = "refused", "Refused"  # its signature is missing or wrong

    class Via(models.TextChoices):
        HTTP = "http", "HTTP"
        EMAIL = "email", "E-mail"
        SIMULATOR = "simulator", "Simulator"
        REPLAY = "replay", "Replay"

    id = models.UUIDField(primary_key=True, default=new_delivery_id, editable=False)
    # Without a constraint in the database, which would look the integration up for each delivery
    # of a flood; one whose integration was deleted at that moment is pruned like others.
    integration = models.ForeignKey(
        Integration,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
    )
    kind = models.CharField(max_length=32)  # the format it was read as
    via = models.CharField(max_length=16, choices=Via, default=Via.HTTP)
    received_at = models.DateTimeField(default=timezone.now)
    headers = models.JSONField(default=dict)  # lower-case names; secrets are masked
    query = models.JSONField(default=dict)
    body = models.BinaryField(default=bytes)
    verdict = models.CharField(max_length=16, choices=Verdict)
    reason = models.CharField(max_length=1000, blank=True)  # why not accepted, or what was odd
    signature = models.CharField(max_length=16, blank=True)  # "valid", "waived", … or nothing
    # [{"action", "dedup_key", "incident": id or None, "reason"}], one for each event.
    results = models.JSONField(default=list, encoder=DjangoJSONEncoder)
    was_spooled = models.BooleanField(default=False)  # waited on disk for the database
    replay_of = models.UUIDField(null=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "deliveries"
        indexes = (models.Index(fields=["integration", "-id"], name="delivery_of_integration"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def incident_ids(self) -> set[int]:
        """The incidents that its events opened or changed."""
        return {pk for result in self.results if (pk := incident_id_of(result)) is not None}


class Change(models.Model):
    """Something was changed on a service, a deploy for example. It pages nobody."""

    service = models.ForeignKey(
        "incidents.Service", on_delete=models.CASCADE, related_name="changes", db_index=False
    )
    integration = models.ForeignKey(Integration, on_delete=models.SET_NULL, null=True)
    summary = models.CharField(max_length=500)
    source = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    links = models.JSONField(default=list)  # [{"href", "text"}]
    occurred_at = models.DateTimeField(null=True)  # by the sender's clock
    received_at = models.DateTimeField(default=timezone.now)
    delivery_id = models.UUIDField(null=True)

    class Meta:
        ordering = ("-received_at", "-id")
        indexes = (models.Index(fields=["service", "-received_at"], name="change_of_service"),)

    def __str__(self) -> str:
        return self.summary
