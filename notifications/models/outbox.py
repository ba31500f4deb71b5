"""The outbox: every message that must reach somebody, and what became of it."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from incidents.models import Incident
from notifications.models.destinations import Destination
from notifications.models.preferences import MAX_ADDRESS_LENGTH, Channel, ContactMethod
from opsknight.models import User


class Notification(models.Model):
    """One message to one person, or to one destination, over one channel for one reason.

    About an incident, a page; otherwise a notice that brings its own subject, text and link.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"  # the provider took it
        DELIVERED = "delivered", "Delivered"  # it reached the person
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"
        SANDBOXED = "sandboxed", "Sandboxed"  # no provider: kept, shown, not sent

    class Reason(models.TextChoices):
        ESCALATION = "escalation", "Escalation"  # only while the incident is triggered
        ASSIGNMENT = "assignment", "Assignment"  # only while the incident is open
        ON_CALL = "on_call", "On call"  # a notice about schedules and shifts
        TEST = "test", "Test"  # somebody tries an address
        VERIFICATION = "verification", "Verification"  # a code that proves whose address it is
        STATUS = "status", "Status update"  # what became of an incident that one was paged for
        DIGEST = "digest", "Digest"  # what was not worth a page, gathered
        EVENT = "event", "Event"  # to a destination that follows a service or a team

    class Wait(models.TextChoices):
        RETRY = "retry", "for the next attempt"
        LIMIT = "limit", "for a free slot"
        BREAKER = "breaker", "for the provider to recover"
        BUNDLE = "bundle", "to be gathered with others"
        QUIET = "quiet", "for the end of quiet hours"

    # About an incident, but nobody has to act: no next way is tried, no timeline speaks of it.
    NEWS: ClassVar[tuple[Reason, ...]] = (Reason.STATUS, Reason.EVENT)
    # States that will still change.
    UNFINISHED: ClassVar[tuple[State, ...]] = (State.PENDING, State.SENDING)

    incident = models.ForeignKey(  # found by the index notification_of_incident
        Incident,
        on_delete=models.CASCADE,
        null=True,
        related_name="notifications",
        db_index=False,
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="notifications"
    )
    # Who is away, and in whose place the person is paged.
    in_place_of = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
    )
    destination = models.ForeignKey(  # found by the index notification_of_destination
        Destination,
        on_delete=models.CASCADE,
        null=True,
        related_name="notifications",
        db_index=False,
    )
    # Of a notice: what it says, and the path of the page that it leads to.
    subject = models.CharField(max_length=200, blank=True)
    text = models.TextField(blank=True)
    link = models.CharField(max_length=500, blank=True)
    # For machines: goes into the bodies of webhooks as it is.
    details = models.JSONField(default=dict, db_default={}, encoder=DjangoJSONEncoder)
    # None: the account's own address, or the app itself.
    contact_method = models.ForeignKey(
        ContactMethod, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    channel = models.CharField(max_length=16, choices=Channel)
    # As it was when the page was due.
    address = models.CharField(max_length=MAX_ADDRESS_LENGTH, blank=True)
    reason = models.CharField(max_length=16, choices=Reason)
    # What caused it: "step:<generation>:<round>:<step>", "assigned:<timeline entry>"; of a
    # notice whatever its sender made up.
    cause = models.CharField(max_length=64)
    # Of the personal rule that it follows: with the cause it says which page this is.
    delay_minutes = models.PositiveIntegerField(default=0)
    # It goes on while others have acknowledged, until this person does (Incident.is_multi_ack).
    needs_own_ack = models.BooleanField(default=False)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    due_at = models.DateTimeField()  # not before; moves on with every retry
    # How many incidents of the same service were paged before it in the same pass of the engine.
    # First turns go first: a storm on one service does not hold back the pages of another.
    turn = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    # Raised by every claim, so the number proves whose lease it is.
    claims = models.PositiveIntegerField(default=0)
    # Calls to providers, and claims whose worker died; not those that only waited for a slot.
    attempts = models.PositiveIntegerField(default=0)
    # What a pending row waits for beyond its own time; empty: for its turn.
    waits_for = models.CharField(max_length=16, choices=Wait, blank=True)
    # Rows that went out as one message share it.
    bundle = models.UUIDField(null=True, editable=False)
    # Who took it (Provider.key) and under which number, so that receipts find it.
    provider = models.CharField(max_length=64, blank=True)
    provider_message_id = models.CharField(max_length=200, blank=True)
    # When the provider was last asked what became of it.
    asked_at = models.DateTimeField(null=True)
    # Given to the provider with every attempt, so that it can drop a repetition.
    idempotency_key = models.UUIDField(default=uuid.uuid4, editable=False)
    # A worker died after it may have sent: the repetition says so.
    maybe_duplicate = models.BooleanField(default=False)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)  # in the app only

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "pending",
                        "sending",
                        "sent",
                        "delivered",
                        "failed",
                        "cancelled",
                        "sandboxed",
                    ]
                ),
                name="notification_state",
            ),
            models.CheckConstraint(
                condition=Q(channel__in=[c.value for c in Channel]), name="notification_channel"
            ),
            models.CheckConstraint(
                condition=Q(
                    reason__in=["escalation", "assignment", "status", "event"],
                    incident__isnull=False,
                )
                | Q(
                    reason__in=["on_call", "test", "verification", "digest"],
                    incident__isnull=True,
                ),
                name="notification_reason",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False, destination__isnull=True)
                | Q(user__isnull=True, destination__isnull=False),
                name="notification_user_or_destination",
            ),
            # A notice without words would reach nobody's understanding.
            models.CheckConstraint(
                condition=Q(incident__isnull=False) | ~Q(subject=""),
                name="notification_notice_has_subject",
            ),
            # A lease exists exactly while a worker has the row in hand.
            models.CheckConstraint(
                condition=Q(state="sending", leased_until__isnull=False)
                | (~Q(state="sending") & Q(leased_until__isnull=True)),
                name="notification_lease_while_sending",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "sending"], finished_at__isnull=True)
                | (~Q(state__in=["pending", "sending"]) & Q(finished_at__isnull=False)),
                name="notification_finished_at_with_state",
            ),
            # A step that runs twice writes one page.
            models.UniqueConstraint(
                fields=[
                    "incident",
                    "user",
                    "destination",
                    "channel",
                    "address",
                    "cause",
                    "delay_minutes",
                ],
                nulls_distinct=False,
                name="notification_once_per_cause",
            ),
        )
        indexes = (
            # The claim of a channel's worker: due rows, and rows whose lease ran out.
            models.Index(
                fields=["channel", "turn", "due_at", "id"],
                condition=Q(state="pending"),
                name="notification_due",
            ),
            # What is due to the same address, and goes out or waits together.
            models.Index(
                fields=["channel", "address"],
                condition=Q(state="pending"),
                name="notification_mates",
            ),
            # What no digest has told of.
            models.Index(
                fields=["user"],
                condition=Q(channel="in_app", details__digest=True),
                name="notification_digest",
            ),
            # What waits for the end of quiet hours, to be looked at again.
            models.Index(
                fields=["id"],
                condition=Q(state="pending", waits_for="quiet"),
                name="notification_quiet",
            ),
            models.Index(
                fields=["channel", "leased_until"],
                condition=Q(state="sending"),
                name="notification_leased",
            ),
            # The pages of an incident, and the cancelling of what is unsent.
            models.Index(fields=["incident", "state"], name="notification_of_incident"),
            # Whether somebody was told of a cause already; only of notices, which are few.
            models.Index(
                fields=["cause"], condition=Q(incident__isnull=True), name="notification_of_cause"
            ),
            # How many codes went to an address, whoever asked for them.
            models.Index(
                fields=["address"],
                condition=Q(reason="verification"),
                name="notification_codes",
            ),
            # What went to a destination lately.
            models.Index(
                F("destination"),
                F("created_at").desc(),
                condition=Q(destination__isnull=False),
                name="notification_of_destination",
            ),
            # The log of messages: what is not finished first (NULLs come first), then the newest.
            models.Index(
                F("finished_at").desc(),
                F("id").desc(),
                condition=~Q(channel="in_app"),
                name="notification_log",
            ),
            # Which row a provider's receipt is about.
            models.Index(
                fields=["provider_message_id"],
                condition=~Q(provider_message_id=""),
                name="notification_of_receipt",
            ),
            # What a provider has reported nothing about, oldest first.
            models.Index(
                fields=["finished_at"],
                condition=Q(state="sent") & ~Q(provider_message_id=""),
                name="notification_to_ask",
            ),
            # The bell: a person's unread notices, newest first.
            models.Index(
                F("user"),
                F("created_at").desc(),
                condition=Q(channel="in_app"),
                name="notification_bell",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_channel_display()} to {self.address or self.recipient}: {self.state}"

    @property
    def recipient(self) -> User | Destination | None:
        """Who it is for; None only for a row that breaks notification_user_or_destination."""
        return self.user or self.destination


class DeliveryAttempt(models.Model):
    """One call to a provider and its answer."""

    class Outcome(models.TextChoices):
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        SANDBOXED = "sandboxed", "Sandboxed"
        UNKNOWN = "unknown", "Unknown"  # the worker died before it could tell

    notification = models.ForeignKey(
        Notification, on_delete=models.CASCADE, related_name="delivery_attempts"
    )
    at = models.DateTimeField(default=timezone.now)
    outcome = models.CharField(max_length=16, choices=Outcome)
    provider = models.CharField(max_length=100, blank=True)  # its name, as administrators know it
    detail = models.TextField(blank=True)  # the provider's answer, shortened
    duration_ms = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("at", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(outcome__in=["sent", "failed", "sandboxed", "unknown"]),
                name="delivery_attempt_outcome",
            ),
        )
        # How much went out lately.
        indexes = (models.Index(fields=["at"], name="delivery_attempt_lately"),)

    def __str__(self) -> str:
        return f"{self.outcome} at {self.at:%H:%M:%S}"


class SandboxMessage(models.Model):
    """A message exactly as it would have gone out, kept because its channel has no provider."""

    notification = models.OneToOneField(
        Notification, on_delete=models.CASCADE, related_name="sandbox_message"
    )
    subject = models.CharField(max_length=998, blank=True)
    text = models.TextField()
    html = models.TextField(blank=True)
    raw = models.TextField()  # the bytes on the wire, decoded
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return self.subject or self.text[:80]
