"""How an integration is set up: the address that goes into the vendor's settings, and its guide."""

from django.conf import settings
from django.urls import NoReverseMatch, reverse

from incidents.guides import Guide, guide_of
from incidents.models import Integration

# Links that a guide may have, and the pages they lead to.
_PAGES = {
    "SECURITY": "incidents:integration_security",
    "SIMULATOR": "incidents:simulator",
    "DELIVERIES": "incidents:deliveries",
    "RULES": "incidents:integration_rules",
}


def address_of(integration: Integration, base: str) -> str:
    """What goes into the monitoring system: an address of the web, or of mail."""
    match integration.kind:
        case Integration.Kind.EVENTS:
            return f"{base}/api/events"
        case Integration.Kind.PAGERDUTY:
            return f"{base}/v2/enqueue"
        case Integration.Kind.OPSGENIE:
            return f"{base}/v2/alerts"
        case Integration.Kind.HEARTBEAT:
            return f"{base}/api/heartbeats/{integration.key}"
        case Integration.Kind.EMAIL:
            return f"{integration.key}@{settings.MAIL_DOMAIN}"
        case _:
            return f"{base}/api/integrations/{integration.kind}/{integration.key}"


def guide_for(integration: Integration, base: str) -> Guide:
    """The guide of the integration's kind with its own address and key filled in."""
    values = {
        "URL": address_of(integration, base),
        "KEY": integration.key,
        "BASE": base,
        "MAILDOMAIN": settings.MAIL_DOMAIN,
    }
    pages = {name: _page(url_name, integration) for name, url_name in _PAGES.items()}
    return guide_of(integration.kind, values | pages)


def _page(url_name: str, integration: Integration) -> str:
    try:
        return reverse(url_name, args=[integration.pk])
    except NoReverseMatch:
        return ""
