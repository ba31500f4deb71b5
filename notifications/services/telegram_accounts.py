"""Who is who in Telegram: linking somebody by a code that only they have seen."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from redis.exceptions import RedisError

from notifications.models import ChatAccount, ContactMethod
from notifications.models.preferences import Channel
from notifications.services.accounts import accounts_of_kind
from notifications.services.first_rules import use_at_once
from notifications.services.preferences import add_linked_method
from notifications.services.stopping import start_address
from opsknight.errors import Conflict, NotFound
from opsknight.models import User
from opsknight.services.audit import record_change

Changes: TypeAlias = dict[str, list[Any]]
CODE_LIVES = timedelta(minutes=15)
CODE_BYTES = 18  # 24 letters; Telegram takes at most 64 behind /start


@dataclass(frozen=True)
class TelegramOffer:
    """What a person has to write to the bot."""

    code: str
    bot: str  # its name; may be unknown

    @property
    def command(self) -> str:
        """To be written by hand."""
        return f"/start {self.code}"

    @property
    def url(self) -> str:
        """Opens the bot and writes it at one press; empty where the name is unknown."""
        return f"https://t.me/{self.bot}?start={self.code}" if self.bot else ""


@dataclass(frozen=True)
class Member:
    """Somebody in Telegram, as an update names them."""

    id: int
    name: str


def offer_telegram_link(*, user: User) -> TelegramOffer:
    """A code that links whoever writes it to the bot to this person, once.

    Kept in Redis only: with Redis gone, it is asked for anew. Raises Conflict without a bot that
    could hear it, and while Redis is away.
    """
    bots = [account for account in accounts_of_kind("telegram") if account["webhook_secret"]]
    if not bots:
        raise Conflict("No Telegram bot is set up. An administrator does that under Providers.")
    code = secrets.token_urlsafe(CODE_BYTES)
    try:
        cache.set(_key(code), user.pk, CODE_LIVES.total_seconds())
    except (RedisError, OSError) as error:
        raise Conflict("This does not work just now. Try again in a minute.") from error
    return TelegramOffer(code, bots[0]["bot_name"].removeprefix("@"))


def link_telegram(*, code: str, member: Member, now: datetime) -> User:
    """Let this member act as the person whom the code was shown to, and page the person there.

    Whoever was linked before is not any more. Raises NotFound for a code that is old, used or made
    up, and Conflict for too many contact methods.
    """
    user = _person_of(code)
    with transaction.atomic():
        row, is_new = ChatAccount.objects.select_for_update(of=("self",)).get_or_create(
            channel=Channel.TELEGRAM,
            workspace="",
            member=str(member.id),
            defaults={"user": user, "linked_at": now},
        )
        before = None if is_new else str(row.user)
        row.user, row.linked_at = user, now
        row.save(update_fields=["user", "linked_at"])
        changes: Changes = {"user": [before, str(user)]}
        record_change(actor=user, action="chat_account.linked", entity=row, changes=changes)
        _forget_methods(_methods(member.id).exclude(user=user), actor=user)
        method = add_linked_method(
            user=user,
            channel=Channel.TELEGRAM,
            address=str(member.id),
            label=member.name[:100],
            now=now,
        )
        # Who asked for a code wants pages there, whatever was said to the bot before.
        start_address(channel=Channel.TELEGRAM, address=str(member.id))
        use_at_once(method=method, now=now)
    return user


def find_telegram_person(member_id: int) -> User | None:
    """Who acts when this member writes or presses; None: nobody that we know."""
    rows = ChatAccount.objects.select_related("user")
    row = rows.filter(channel=Channel.TELEGRAM, workspace="", member=str(member_id)).first()
    return row.user if row is not None and row.user.is_active else None


@transaction.atomic
def unlink_telegram(*, user: User, pk: int, ip: str | None = None) -> None:
    """Let the member act as nobody and send nothing there; raises NotFound for another's."""
    row = ChatAccount.objects.filter(user=user, channel=Channel.TELEGRAM, pk=pk).first()
    if row is None:
        raise NotFound("You have no such account in Telegram.")
    changes: Changes = {"user": [str(user), None]}
    record_change(actor=user, action="chat_account.unlinked", entity=row, changes=changes, ip=ip)
    _forget_methods(_methods(int(row.member)).filter(user=user), actor=user, ip=ip)
    row.delete()


@transaction.atomic
def note_blocked(*, member_id: int) -> None:
    """Somebody blocked the bot: say so at once instead of losing the next page there."""
    for method in _methods(member_id).filter(enabled=True).select_for_update(of=("self",)):
        reason = "The bot was blocked in Telegram. Unblock it and link it again."
        method.enabled, method.broken_reason = False, reason
        method.save(update_fields=["enabled", "broken_reason"])
        changes: Changes = {"enabled": [True, False], "broken_reason": ["", reason]}
        record_change(actor=None, action="contact_method.broken", entity=method, changes=changes)


def _methods(member_id: int) -> QuerySet[ContactMethod]:
    """The private chat with somebody has the number of that somebody."""
    methods = ContactMethod.objects.defer("secret")
    return methods.filter(channel=Channel.TELEGRAM, address=str(member_id))


def _forget_methods(
    methods: QuerySet[ContactMethod], *, actor: User, ip: str | None = None
) -> None:
    for method in methods:
        record_change(actor=actor, action="contact_method.deleted", entity=method, ip=ip)
        method.delete()


def _person_of(code: str) -> User:
    """Whom the code was shown to; it is used up."""
    key = _key(code)
    try:
        pk = cache.get(key)
        is_ours = pk is not None and cache.delete(key)  # of two at once only one deletes it
    except (RedisError, OSError) as error:
        raise NotFound("This does not work just now. Try again in a minute.") from error
    user = User.objects.filter(pk=pk, status=User.Status.ACTIVE).first() if is_ours else None
    if user is None:
        raise NotFound("This code is too old or was used. Ask for a new one in OpsKnight.")
    return user


def _key(code: str) -> str:
    return f"telegram-link:{code}"
