"""Contact methods, personal rules, destinations and the outbox."""

from notifications.models.destinations import Destination
from notifications.models.outbox import DeliveryAttempt, Notification, SandboxMessage
from notifications.models.preferences import ContactMethod, NotificationRule

__all__ = [
    "ContactMethod",
    "DeliveryAttempt",
    "Destination",
    "Notification",
    "NotificationRule",
    "SandboxMessage",
]
