"""Wakes the workers of channels."""

from collections.abc import Iterable

from notifications.channels import CHANNELS
from notifications.models.preferences import Channel
from opsknight.rows import fetch_rows
from opsknight.wake import Wake, send_nudge, wake

# Served by the indexes notification_due and notification_leased, however much is to come later:
# their order is asked for, because the planner would else hope to meet a row early in the table.
_DUE = """
SELECT c.name FROM unnest(%s::text[]) AS c (name)
WHERE (
    SELECT true FROM notifications_notification n
    WHERE n.channel = c.name AND n.state = 'pending' AND n.due_at <= statement_timestamp()
    ORDER BY n.turn, n.due_at LIMIT 1
) OR (
    SELECT true FROM notifications_notification n WHERE n.channel = c.name
    AND n.state = 'sending' AND n.leased_until <= statement_timestamp()
    ORDER BY n.leased_until LIMIT 1
)
"""


def wake_channels(channels: Iterable[str]) -> None:
    """On commit: something is due on these channels. Notices in the app come last: nobody is woken
    by them."""
    for name in sorted(set(channels), key=lambda name: (name == Channel.IN_APP, name)):
        wake(Wake.DELIVER, queue=CHANNELS[name].queue, channel=name)


def wake_due_channels() -> list[str]:
    """Wake the workers of the channels on which something is due or a lease ran out; which ones.

    The second chance of pages whose nudge was lost or whose time has come. One query.
    """
    due = [name for (name,) in fetch_rows(_DUE, [list(CHANNELS)])]
    for name in due:
        send_nudge(Wake.DELIVER, queue=CHANNELS[name].queue, channel=name)
    return due
