"""What open pages hear when schedules change. Handoffs need no event: pages know their time."""

from realtime.access import EVERYBODY
from realtime.topics import LiveMessage


def render_on_call(schedule_ids: list[int]) -> list[LiveMessage]:
    """To everybody: fetch again who is on call. It names nothing that somebody may not see."""
    return [LiveMessage((EVERYBODY,), "oncall", {})]
