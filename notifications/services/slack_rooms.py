"""Which channels in Slack can be paged."""

from notifications.channels.base import DeliveryError
from notifications.providers.slack_workspace import SlackRoom, rooms_of_bot
from notifications.services.accounts import accounts_of_kind
from opsknight.errors import Conflict


def slack_rooms() -> list[SlackRoom]:
    """Exactly the channels that our bot is in, by name.

    Asks Slack; raises Conflict where no bot is set up, or Slack does not answer.
    """
    accounts = accounts_of_kind("slack")[:1]  # that of accounts_for
    if not accounts:
        raise Conflict("No Slack bot is set up. An administrator does that under Providers.")
    try:
        found = [room for account in accounts for room in rooms_of_bot(account)]
    except DeliveryError as error:
        raise Conflict(f"The channels cannot be listed: {error}") from error
    return sorted({room.id: room for room in found}.values(), key=lambda room: room.name)
