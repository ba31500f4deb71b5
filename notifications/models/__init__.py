"""Contact methods, personal rules and the outbox."""

from notifications.models.outbox import DeliveryAttempt, Notification, SandboxMessage
from notifications.models.preferences import ContactMethod, NotificationRule

__all__ = [
    "ContactMethod",
    "DeliveryAttempt",
    "Notification",
    "NotificationRule",
    "SandboxMessage",
]
