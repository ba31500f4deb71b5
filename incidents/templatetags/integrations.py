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


@register.inclusion_tag("incidents/integration_tabs.html")
def integration_tabs(integration: Integration, tab: str) -> dict[str, object]:
    """The tabs of an integration's page; those without a page yet are left out."""
    found = [(name, text, optional_url(url_name, integration.pk)) for name, text, url_name in TABS]
    tabs = [IntegrationTab(text, url, name == tab) for name, text, url in found if url]
    return {"tabs": tabs, "label": integration.name}
