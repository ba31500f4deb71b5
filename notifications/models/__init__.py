"""The models of notifications."""

from notifications.models.answers import ChatAccount, InboundReply, PostedMessage, ReplyCode
from notifications.models.destinations import Destination
from notifications.models.outbox import DeliveryAttempt, Notification, SandboxMessage
from notifications.models.people import Absence, PagingPreferences, VerificationCode
from notifications.models.preferences import ContactMethod, NotificationRule
from notifications.models.providers import Provider
from notifications.models.subscriptions import EventCursor, EventSubscription

__all__ = [
    "Absence",
    "ChatAccount",
    "ContactMethod",
    "DeliveryAttempt",
    "Destination",
    "EventCursor",
    "EventSubscription",
    "InboundReply",
    "Notification",
    "NotificationRule",
    "PagingPreferences",
    "PostedMessage",
    "Provider",
    "ReplyCode",
    "SandboxMessage",
    "VerificationCode",
]
