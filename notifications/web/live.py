"""What open pages hear when notices come or are read."""

from notifications.selectors import unread_counts
from realtime.topics import LiveMessage


def render_notices(user_ids: list[int]) -> list[LiveMessage]:
    """To each person the number of unread notices; one query."""
    return [
        LiveMessage((f"user-{pk}",), "notification", {"unread": unread})
        for pk, unread in unread_counts(user_ids).items()
    ]
