"""One message to one integration, whatever way it came: the beginning of the walk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from incidents.intake.key_owner import KeyOwner
from incidents.models.delivery import new_delivery_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message whose key is known to be right; nothing else about it is."""

    owner: KeyOwner
    kind: str  # the format to read it as, a key of PARSERS
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)  # lower-case names
    query: Mapping[str, str] = field(default_factory=dict)
    via: str = "http"  # a Delivery.Via
    id: UUID = field(default_factory=new_delivery_id)
    received_at: datetime = field(default_factory=timezone.now)
    replay_of: UUID | None = None
