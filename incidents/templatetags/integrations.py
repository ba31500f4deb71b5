"""What belongs to the pages of an integration. Usage: `{% load integrations %}`."""

from dataclasses import dataclass

from django import template

from incidents.models import Integration
from opsknight.templatetags.ui import Look, badge, optional_url

register = template.Library()

VERDICTS = {
    "accepted": Look("Accepted", "circle-check", "resolved"),
    "ignored": Look("Ignored", "minus", "quiet"),
    "invalid": Look("Not understood", "circle-alert", "triggered"),
    "refused": Look("Refused", "shield-alert", "triggered"),
}
# What became of an event.
RESULTS = {
    "triggered": Look("Opened", "siren", "triggered"),
    "folded": Look("Folded into a storm", "layers", "acknowledged"),
    "deduplicated": Look("Joined", "git-merge", "neutral"),
    "acknowledged": Look("Acknowledged", "user-check", "acknowledged"),
    "resolved": Look("Resolved", "circle-check", "resolved"),
    "ignored": Look("Did nothing", "minus", "quiet"),
    "unacknowledged": Look("Acknowledgement withdrawn", "undo-2", "triggered"),
    "noted": Look("Noted", "message-square", "neutral"),
    "changed": Look("Kept as a change", "git-commit-horizontal", "neutral"),
    "beat": Look("Beat", "heart-pulse", "resolved"),
    "queued": Look("Waits on disk", "hard-drive", "acknowledged"),
}
SIGNATURES = {
    "valid": Look("Valid", "shield-check", "resolved"),
    "waived": Look("Not required", "shield-off", "quiet"),
    "trusted": Look("Sent from here", "user-check", "neutral"),
    "refused": Look("Refused", "shield-alert", "triggered"),
    "": Look("None", "minus", "quiet"),
}
# Name of the tab in a page's context, its text, its URL name.
TABS = (
    ("setup", "Set-up", "incidents:integration"),
    ("deliveries", "Deliveries", "incidents:deliveries"),
    ("simulator", "Simulator", "incidents:simulator"),
    ("rules", "Rules", "incidents:integration_rules"),
    ("security", "Security", "incidents:integration_security"),
)


@dataclass(frozen=True)
class IntegrationTab:
    """One tab of the page of an integration."""

    text: str
    url: str
    is_current: bool


@register.simple_tag
def verdict_pill(verdict: str) -> str:
    """What became of a delivery, as icon and word."""
    look = VERDICTS[verdict]
    return badge(look.label, look.tone, look.icon)


@register.simple_tag
def result_word(action: str) -> str:
    """What became of one event, as icon and word."""
    look = RESULTS.get(action) or Look(action or "Kept", "dot", "neutral")
    return badge(look.label, look.tone, look.icon)


@register.simple_tag
def signature_word(signature: str) -> str:
    """How a delivery was proven, as icon and word."""
    look = SIGNATURES.get(signature) or Look(signature, "shield", "neutral")
    return badge(look.label, look.tone, look.icon)


@register.inclusion_tag("incidents/integration_tabs.html")
def integration_tabs(integration: Integration, tab: str) -> dict[str, object]:
    """The tabs of an integration's page; those without a page yet are left out."""
    found = [(name, text, optional_url(url_name, integration.pk)) for name, text, url_name in TABS]
    tabs = [IntegrationTab(text, url, name == tab) for name, text, url in found if url]
    return {"tabs": tabs, "label": integration.name}
