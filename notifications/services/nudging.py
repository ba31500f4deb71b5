"""Wakes the workers of channels."""

from collections.abc import Iterable

from notifications.channels import CHANNELS
from opsknight.wake import Wake, wake


def wake_channels(channels: Iterable[str]) -> None:
    """On commit: something is due on these channels."""
    for name in sorted(set(channels)):
        wake(Wake.DELIVER, queue=CHANNELS[name].queue, channel=name)
