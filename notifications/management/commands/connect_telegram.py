"""`manage.py connect_telegram`: tell Telegram where our bots' updates go."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from notifications.channels.base import DeliveryError
from notifications.providers.base import ProviderConfig
from notifications.providers.telegram import ChatMoved, ask_bot
from notifications.services.accounts import accounts_of_kind

UPDATES = ["message", "callback_query", "my_chat_member"]


class Command(BaseCommand):
    """Sets the webhook of every Telegram bot that has a secret; again changes nothing."""

    help = "Let Telegram send messages and presses of buttons to OPSKNIGHT_URL."

    def handle(self, *args: Any, **options: Any) -> None:
        """One line for each bot; fails when any of them could not be connected."""
        bots = [bot for bot in accounts_of_kind("telegram") if bot["webhook_secret"]]
        if not bots:
            raise CommandError("There is no Telegram bot with a webhook secret.")
        address = f"{settings.PUBLIC_URL}{reverse('telegram-updates')}"
        for bot in bots:
            _connect(bot, address)
            self.stdout.write(f"{bot.name}: updates go to {address}.")


def _connect(bot: ProviderConfig, address: str) -> None:
    values = {
        "url": address,
        "secret_token": bot["webhook_secret"],
        "allowed_updates": UPDATES,
    }
    try:
        ask_bot(bot, "setWebhook", values)
    except (DeliveryError, ChatMoved) as error:
        raise CommandError(f"{bot.name} could not be connected: {error}") from error
