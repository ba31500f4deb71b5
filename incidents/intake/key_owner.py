"""The integration behind a key."""

from dataclasses import dataclass

from incidents.intake.rules import RuleTexts


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The integration behind a key, with what the door must know of it."""

    integration_id: int
    service_id: int
    kind: str
    name: str
    enabled: bool
    key: str
    rate_limit: int = 0  # events in a minute; 0: no limit
    signature_required: bool = False
    signing_secrets: tuple[str, ...] = ()  # in plain, the newest first
    rules: RuleTexts | None = None
