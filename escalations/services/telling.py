"""Everything that people and channels are told of on call, looked for once a minute."""

import logging
from collections.abc import Callable
from datetime import datetime

from escalations.services.announcements import tell_channels
from escalations.services.change_notices import tell_changed_shifts
from escalations.services.gap_notices import tell_empty, tell_gaps
from escalations.services.shift_notices import tell_shifts

logger = logging.getLogger(__name__)


def tell_on_call(*, now: datetime) -> int:
    """Queue all notices that are due; returns how many. One that fails does not stop the others."""
    return sum(
        _tried(tell, now)
        for tell in (tell_channels, tell_shifts, tell_empty, tell_changed_shifts, tell_gaps)
    )


def _tried(tell: Callable[..., int], now: datetime) -> int:
    try:
        return tell(now=now)
    except Exception:
        logger.exception("%s failed; it is tried again in a minute.", tell.__name__)
        return 0
