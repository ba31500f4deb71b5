"""Who is who in Slack: linking a member to a person, and finding the person behind a member."""

import logging
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse

from notifications.channels.base import DeliveryError
from notifications.models import ChatAccount, ContactMethod
from notifications.models.preferences import Channel
from notifications.providers.base import ProviderConfig
from notifications.providers.slack_api import call_slack
from notifications.providers.slack_workspace import (
    SECONDS,
    SlackMember,
    find_member,
    find_member_by_email,
    workspace_of,
)
from notifications.services.accounts import accounts_of_kind
from notifications.services.first_rules import use_at_once
from notifications.services.preferences import add_linked_method
from opsknight.errors import Conflict, NotFound
from opsknight.models import User
from opsknight.services.audit import record_change

logger = logging.getLogger(__name__)

LINK_LIVES = timedelta(hours=1)
SALT = "notifications.slack-link"


@dataclass(frozen=True)
class LinkOffer:
    """What a link says that only the Slack member sees: who may be linked by it."""

    workspace: str
    member: str
    name: str


def find_person(*, account: ProviderConfig, workspace: str, member: str) -> User | None:
    """Who acts when this member presses a button; None: nobody that we know.

    Whoever linked it, else the person with the e-mail address that Slack has confirmed, of a member
    of the account's own workspace only: another one may claim any address.
    """
    linked = ChatAccount.objects.filter(
        channel=Channel.SLACK, workspace=workspace, member=member
    ).select_related("user")
    if row := linked.first():
        return row.user if row.user.is_active else None
    try:
        found = find_member(account, member) if workspace == workspace_of(account) else None
    except DeliveryError as error:
        logger.warning("Nobody could be found behind the Slack member %s: %s", member, error)
        return None
    if found is None or found.workspace != workspace or not found.verified_email:
        return None
    people = User.objects.filter(status=User.Status.ACTIVE)
    return people.filter(email__iexact=found.verified_email).first()


def link_url(offer: LinkOffer) -> str:
    """Where a signed-in person says "that is me"; for the eyes of the Slack member only."""
    token = signing.dumps(asdict(offer), salt=SALT)
    return f"{settings.PUBLIC_URL}{reverse('notifications:slack_link', args=[token])}"


def read_offer(token: str) -> LinkOffer:
    """What a link says; raises NotFound for one that is older than an hour or not ours."""
    try:
        return LinkOffer(**signing.loads(token, salt=SALT, max_age=LINK_LIVES))
    except signing.BadSignature as error:
        raise NotFound(
            "This link is too old or incomplete. Press the button in Slack again for a new one."
        ) from error


@transaction.atomic
def link_member(
    *, user: User, offer: LinkOffer, wants_messages: bool, now: datetime, ip: str | None = None
) -> ChatAccount:
    """Let the member act as this person; with `wants_messages` pages go there, too.

    Whoever was linked before is not any more, and is not paged there. Raises Conflict for too many
    contact methods.
    """
    row, is_new = ChatAccount.objects.select_for_update(of=("self",)).get_or_create(
        channel=Channel.SLACK,
        workspace=offer.workspace,
        member=offer.member,
        defaults={"user": user, "linked_at": now},
    )
    before = None if is_new else row.user
    row.user, row.linked_at = user, now
    row.save(update_fields=["user", "linked_at"])
    was = [None if before is None else str(before), str(user)]
    record_change(
        actor=user, action="chat_account.linked", entity=row, changes={"user": was}, ip=ip
    )
    methods = ContactMethod.objects.filter(channel=Channel.SLACK, address=offer.member)
    methods.exclude(user=user).delete()
    if wants_messages:
        method = add_linked_method(
            user=user,
            channel=Channel.SLACK,
            address=offer.member,
            label=offer.name[:100],
            now=now,
            ip=ip,
        )
        use_at_once(method=method, now=now, ip=ip)
    return row


@transaction.atomic
def unlink_member(*, user: User, pk: int, ip: str | None = None) -> None:
    """Let the member act as nobody; raises NotFound for another's. Contact methods stay."""
    row = ChatAccount.objects.filter(user=user, channel=Channel.SLACK, pk=pk).first()
    if row is None:
        raise NotFound("You have no such account in Slack.")
    record_change(
        actor=user,
        action="chat_account.unlinked",
        entity=row,
        changes={"user": [str(user), None]},
        ip=ip,
    )
    row.delete()


def offer_link(*, user: User) -> None:
    """Send a link by direct message to whoever has this person's address in Slack.

    Raises Conflict where nobody has, or Slack does not answer.
    """
    for account in accounts_of_kind("slack")[:1]:  # that of accounts_for
        try:
            member = find_member_by_email(account, user.email)
            if member is not None:
                return _send_offer(account, member)
        except DeliveryError as error:
            raise Conflict(f"The message could not be sent: {error}") from error
    raise Conflict(f"Nobody in Slack has the address {user.email}.")


def _send_offer(account: ProviderConfig, member: SlackMember) -> None:
    url = link_url(LinkOffer(member.workspace, member.id, member.name))
    text = f"<{url}|Link this Slack account to OpsKnight>. The link works for an hour."
    arguments = {"channel": member.id, "text": text, "attachments": "[]"}
    call_slack(account, "chat.postMessage", arguments, seconds=2 * SECONDS)
