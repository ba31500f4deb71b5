"""What people answer to pages, and what an answer needs to find its incident."""

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils import timezone

from incidents.models import Incident
from notifications.models.preferences import MAX_ADDRESS_LENGTH, Channel


class ReplyCode(models.Model):
    """The short number by which a telephone names an incident: "1a" acknowledges number 1.

    Small numbers are used again once their incident is resolved.
    """

    address = models.CharField(max_length=32)  # the telephone, in E.164
    code = models.PositiveIntegerField()
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="+")
    last_sent_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["address", "code"], name="reply_code_once"),
            models.UniqueConstraint(
                fields=["address", "incident"], name="reply_code_once_per_incident"
            ),
        )

    def __str__(self) -> str:
        return f"{self.code} on {self.address}"


class InboundReply(models.Model):
    """One answer that came in, by whatever way, and what was said to it."""

    at = models.DateTimeField(default=timezone.now)
    channel = models.CharField(max_length=16, choices=Channel)
    address = models.CharField(max_length=MAX_ADDRESS_LENGTH)
    # None: nobody has this address.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True)
    text = models.CharField(max_length=500, blank=True)
    answer = models.TextField(blank=True)  # empty: none was given
    was_understood = models.BooleanField()
    # The provider's number of it: a repetition is not acted on twice.
    message_id = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = (models.Index(F("address"), F("at").desc(), name="inbound_reply_of_address"),)
        constraints = (
            models.UniqueConstraint(
                fields=["channel", "message_id"],
                condition=~models.Q(message_id=""),
                name="inbound_reply_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.address}: {self.text}"


class ChatAccount(models.Model):
    """Who somebody is in a chat: the Slack member, the Telegram user, that acts as this person."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="chat_accounts"
    )
    channel = models.CharField(max_length=16, choices=Channel)
    workspace = models.CharField(max_length=100, blank=True)  # the Slack workspace's id
    member = models.CharField(max_length=100)  # the id there
    linked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["channel", "workspace", "member"], name="chat_account_is_one_person"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} is {self.member}"


class PostedMessage(models.Model):
    """A message about an incident in a chat, which is edited when the incident moves on."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="+")
    channel = models.CharField(max_length=16, choices=Channel)
    address = models.CharField(max_length=MAX_ADDRESS_LENGTH)  # as in the outbox
    provider = models.CharField(max_length=64)  # Provider.key
    place = models.CharField(max_length=100)  # the chat's own id of the channel or conversation
    message_id = models.CharField(max_length=100)  # Slack's ts
    # What it shows, so that only changes are sent: "<status>" or "escalated".
    shown = models.CharField(max_length=32)
    # Not to be edited before: somebody is at it, or a failed edit is to be tried again.
    edit_at = models.DateTimeField(null=True)
    edits_failed = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["incident", "channel", "address"], name="posted_message_once"
            ),
        )
        indexes = (
            # Those that may still have to be edited: their incidents are open, or just resolved.
            models.Index(
                fields=["incident"],
                condition=~models.Q(shown="resolved"),
                name="posted_message_unsettled",
            ),
            # All incidents that stand in one message.
            models.Index(fields=["message_id"], name="posted_message_same"),
        )

    def __str__(self) -> str:
        return f"{self.incident_id} in {self.place}"
