"""How pages draw the channels."""

from notifications.models.preferences import Channel

ICONS = {
    Channel.EMAIL: "mail",
    Channel.SMS: "message-square-text",
    Channel.VOICE: "phone",
    Channel.WHATSAPP: "message-circle",
    Channel.PUSH: "smartphone",
    Channel.SLACK: "hash",
    Channel.TELEGRAM: "send",
    Channel.TEAMS: "users-round",
    Channel.GOOGLE_CHAT: "message-square",
    Channel.DISCORD: "gamepad-2",
    Channel.WEBHOOK: "webhook",
    Channel.IN_APP: "bell",
}
